"""Music: what a link leads to becomes a soundtrack as long as the film, as loud as films on the web are.

``container`` tells which kind of file it is, ``loudness`` how loud it is, and ``soundtrack`` codes it as AAC for
``images.animoto.mp4.sound`` to put in.
"""
