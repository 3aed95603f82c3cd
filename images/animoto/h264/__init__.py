"""Writes and reads H.264 as far as slideshows need it, with the clauses of ITU-T H.264 behind each step.

Only stills need an encoder. A frame that repeats a picture, blends two, or shows parts of two is described by twenty to
a few hundred bytes of syntax, which this package writes. From it every decoder computes exactly the same pixels:

- ``hold``: a P slice in which every macroblock is skipped, so that each is copied from the last reference (8.4.1.1);
- ``crossfade``: a B slice in which every macroblock is skipped. Spatial direct prediction takes both references without
  motion (8.4.1.2.2), and implicit weights blend them by their distances in time (8.4.2.3.1);
- ``wipe`` and ``push``: a B slice whose 16x16 macroblocks point into one reference or the other. Skipped ones inherit
  where they point, so that only those next to the seam are written (``motion``, ``slice_data``).

An encoder's output is read (``Still`` in ``images.animoto.encode.stills``): its slices get new headers, and their coded
macroblocks stay as they are. Written slices are CAVLC, under a picture parameter set of their own, even where x264's
are CABAC: a run of 8,160 skipped macroblocks is one Exp-Golomb number of 25 bits in CAVLC, and some 70 bytes in CABAC.

``bits`` → ``nal`` → ``sps``, ``pps``, ``slice_header``, ``slice_data`` (on top of ``motion``). Everything is
progressive, 8 bit, 4:2:0, one slice a picture; ``Unsupported`` is raised for everything else.
"""
