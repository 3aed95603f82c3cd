"""Writes MP4 files with one H.264 track, optionally one AAC track, and the index in front.

The formats are ISO/IEC 14496-12, 14496-14 and 14496-15. PyAV could write them too, but it adds 105 MB to an image of
470, to save some 400 lines.
"""
