"""What the animoto image adds to the worker: fetch pictures, normalise, render, verify and store a slideshow.

A job flows through lanes that run at the same time, so that the encoder never waits for a download that could have
been made before: ``fetch`` → ``normalise`` → ``album`` (in order, with what is missing) → ``render`` → ``verify`` →
store. ``handler`` joins them.
"""
