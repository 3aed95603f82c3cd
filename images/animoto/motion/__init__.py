"""Renders films with a camera that moves slowly over the pictures (the "Ken Burns effect").

``camera`` computes where the camera is at each frame, ``planes`` how a frame is cut out of a picture, and
``moving_renderer`` renders films in which anything moves: no frame repeats another, so each one is encoded. The path of
a move is in ``images.animoto.timeline.move``.
"""
