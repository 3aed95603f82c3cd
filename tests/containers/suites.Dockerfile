# The worker image with the tests' dependencies: the suites run on the fleet's Python and libraries.
# The build context is the directory locks.
FROM cloudkon/worker:tested
USER 0
COPY dev.txt /tmp/
# The image's boto3 knows only the services that workers call; the tests of fleet and client also call others.
RUN pip uninstall --yes --quiet botocore \
 && pip install --no-cache-dir --disable-pip-version-check --quiet --require-hashes --requirement /tmp/dev.txt
USER 65532:65532
# No worker runs in it.
HEALTHCHECK NONE
ENTRYPOINT ["tini", "--", "python", "-m", "pytest", "-p", "no:cacheprovider"]
