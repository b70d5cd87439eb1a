#!/bin/sh
# Builds goodserve's wheel and installs it below $2, apart from what it needs, which lies below $1 and
# changes seldom. Lists everything in an SBOM.
set -eu
image=$1 code=$2
mkdir training && touch training/__init__.py # the wheel names it; the service has no use for it
python -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir /wheel .
python -m pip --python /opt/goodserve install --quiet --root-user-action=ignore --no-deps --no-compile --no-index /wheel/*.whl

site=$(/opt/goodserve/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
rm -r "$site/training" /opt/goodserve/bin/goodserve-train
mkdir -p "$code$site" "$code/opt/goodserve/bin" "$code/usr/share/goodserve"
mv "$site"/goodserve-*.dist-info "$site/model" "$site/service" "$code$site/"
mv /opt/goodserve/bin/goodserve "$code/opt/goodserve/bin/"

# A new volume is filled from /models. The same files as in the package: they take room once.
cp -rl "$code$site/model/bundled" "$code/models"
chown -R 10001:10001 "$code/models"

python -m compileall -q -j 1 --invalidation-mode unchecked-hash -s "$code" -p / "$code"
python docker/sbom.py "$image$site" "$code$site" "$image/var/lib/dpkg/status.d" \
    > "$code/usr/share/goodserve/sbom.cdx.json"
find "$code" -exec touch --no-dereference --date "@$SOURCE_DATE_EPOCH" {} +
