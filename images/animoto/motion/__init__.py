"""Motion: a camera that slowly moves over pictures (the "Ken Burns effect").

``move`` says which way, ``camera`` where it is at which frame, ``planes`` how a frame is got out of a picture, and
``moving`` renders films in which anything moves: no frame of these repeats another, so each is encoded.
"""
