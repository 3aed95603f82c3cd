"""H.264 as far as slideshows need it: what is written instead of encoded, with the clauses of ITU-T H.264 behind it.

Only stills need an encoder. A frame that repeats a picture, mixes two, or shows parts of two says so in some twenty to
a few hundred bytes of syntax that this package writes, and every decoder then computes exactly the same pixels:

- ``hold``: a P slice of nothing but skipped macroblocks, so that each takes its place in the last reference (8.4.1.1);
- ``crossfade``: a B slice of nothing but skipped macroblocks. Spatial direct prediction takes both references without
  motion (8.4.1.2.2), and implicit weights mix them by their distances in time (8.4.2.3.1);
- ``wipe`` and ``push``: a B slice whose 16x16 macroblocks point into one reference or the other. Skipped ones inherit
  where they point, so that only those beside the seam are written (``motion``, ``slice_data``).

What an encoder wrote is read (``Still`` in ``images.animoto.encode.stills``), its slices get new headers, and their
coded macroblocks stay as they are. Written slices are CAVLC, under a picture parameter set of their own, also where
x264's are CABAC: a run of 8,160 skipped macroblocks is one Exp-Golomb number of 25 bits there, and some 70 bytes in
CABAC.

``bits`` → ``nal`` → ``sequence``, ``picture``, ``slice_header``, ``slice_data`` (over ``motion``). Everything is
progressive, 8 bit, 4:2:0, one slice a picture; ``Unsupported`` is raised for what is not.
"""
