"""MP4 with one H.264 track, perhaps one of AAC, and its index in front (ISO/IEC 14496-12, 14496-14 and 14496-15).

Written here and not by a library: PyAV, which could do it, weighs 105 MB in an image of 470, for some 400 lines.
"""
