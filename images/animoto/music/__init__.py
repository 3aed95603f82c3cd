"""Turns the file behind a link into a soundtrack as long as the film, and as loud as films on the web.

``sound_format`` detects the kind of file, ``loudness`` measures how loud it is, and ``soundtrack`` encodes it as AAC
for ``images.animoto.mp4.sound`` to add.
"""
