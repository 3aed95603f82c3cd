# The worker image with what the tests need: the suites run on the Python and the libraries that the fleet runs on.
# Its context is the directory locks.
FROM cloudkon/worker
USER 0
COPY dev.txt /tmp/
RUN pip install --no-cache-dir --disable-pip-version-check --quiet --require-hashes --requirement /tmp/dev.txt
USER 65532:65532
ENTRYPOINT ["tini", "--", "python", "-m", "pytest", "-p", "no:cacheprovider"]
