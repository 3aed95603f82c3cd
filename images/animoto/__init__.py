"""What the animoto image adds to the worker: fetch, normalise, render, verify and store a slideshow.

``slideshow_handler`` is what the worker calls; ``video`` makes and stores one video; ``render_pipeline`` runs the steps
of it at the same time, so that the encoder does not wait for a download that an earlier start could have finished:
``fetch`` → ``pictures`` (normalise, texts) → ``picture_stream`` (order, missing pictures) → ``encode`` or ``motion`` →
``verify``. The renderers carry out the plan of ``timeline``. ``h264_renderer`` has only the pictures encoded
(``stills``) and writes all other frames (``frame_writer``, on top of ``h264`` and ``mp4``); ``ffmpeg_renderer`` has
every frame encoded. See docs/render.md.
"""
