"""Bytes of a value by the number of its type (TIFF 6.0, section 2), in the directories of a TIFF and of EXIF data."""

VALUE_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
