# The worker image with what the tests need: the suites run on the Python and the libraries that the fleet runs on.
# Its context is the directory locks.
FROM cloudkon/worker:tested
USER 0
COPY dev.txt /tmp/
# The image's boto3 knows the services that workers call; the tests of the fleet and the client call others too.
RUN pip uninstall --yes --quiet botocore \
 && pip install --no-cache-dir --disable-pip-version-check --quiet --require-hashes --requirement /tmp/dev.txt
USER 65532:65532
# No worker runs in it.
HEALTHCHECK NONE
ENTRYPOINT ["tini", "--", "python", "-m", "pytest", "-p", "no:cacheprovider"]
