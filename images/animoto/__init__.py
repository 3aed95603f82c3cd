"""What the animoto image adds to the worker: fetch pictures, normalise, render, verify and store a slideshow.

A job flows through lanes that run at the same time, so that the encoder never waits for a download that could have
been made before: ``fetch`` → ``normalise`` → ``album`` (in order, with what is missing) → ``render`` → ``verify``,
``likeness`` → store. ``handler`` joins them. The renderers carry out the ``plan``: ``written`` has ``stills`` coded and
writes the rest (``coder``, over ``h264`` and ``mp4``), ``plain`` has every frame encoded. See docs/render.md.
"""
