# geoaudit in a container, without root:
#   docker build -t geoaudit .
#   docker run --rm -v "$PWD:/work" --user "$(id -u):$(id -g)" geoaudit model.onnx images/ --policy policy.toml
FROM python:3.12-slim

ENV PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore PYTHONDONTWRITEBYTECODE=1 HOME=/tmp MPLCONFIGDIR=/tmp/matplotlib

COPY pyproject.toml README.md LICENSE /geoaudit/
COPY auditor /geoaudit/auditor
COPY plugins /geoaudit/plugins
COPY reports /geoaudit/reports
RUN pip install /geoaudit && rm -rf /geoaudit && geoaudit --version

WORKDIR /work
USER 1000
ENTRYPOINT ["geoaudit"]
CMD ["--help"]
