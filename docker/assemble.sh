#!/bin/sh
# Lays out below $1 what the service needs to run and nothing else: CPython, the environment in
# /opt/goodserve, the shared libraries that both link to, certificates, and one user. No shell.
set -eu
image=$1
python=$(basename "$(realpath "$(command -v python3)")")
site=/opt/goodserve/lib/$python/site-packages

# Not needed to serve: tests, C sources, stubs, and onnxruntime's own tools for converting models.
find "$site" -type d \( -name tests -o -name __pycache__ \) -prune -exec rm -rf {} +
find "$site" -type f \( -name '*.pyi' -o -name '*.pyx' -o -name '*.pxd' -o -name '*.[cha]' \) -delete
rm -rf "$site"/onnxruntime/transformers "$site"/onnxruntime/tools "$site"/onnxruntime/quantization
rm -rf "$site"/numpy/f2py /opt/goodserve/include
find /opt/goodserve/bin -type f -delete # commands of others: uvicorn, fastapi, dotenv

mkdir -p "$image/usr/local/bin" "$image/usr/local/lib" "$image/opt" "$image/etc/ssl/certs" "$image/tmp"
chmod 1777 "$image/tmp"
cp -a "/usr/local/bin/$python" "$image/usr/local/bin/"
ln -s "$python" "$image/usr/local/bin/python3"
ln -s python3 "$image/usr/local/bin/python"
cp -a /usr/local/lib/libpython3*.so* "$image/usr/local/lib/"
cp -a "/usr/local/lib/$python" "$image/usr/local/lib/"
cp -a /opt/goodserve "$image/opt/"
(
    cd "$image/usr/local/lib/$python"
    rm -rf site-packages/* config-* ensurepip idlelib lib2to3 pydoc_data test tkinter turtledemo
    rm -rf lib-dynload/_tkinter* lib-dynload/_test* lib-dynload/_curses* lib-dynload/readline*
    find . -type d -name __pycache__ -prune -exec rm -rf {} +
)

# The directories of a merged /usr, then each library under its own name and the one it is asked by.
for folder in lib lib64 bin sbin; do
    mkdir -p "$image/usr/$folder"
    ln -s "usr/$folder" "$image/$folder"
done
{
    find "$image/usr/local" "$image/opt" -type f \( -name '*.so*' -o -path '*/bin/python*' \) -exec ldd {} + 2>/dev/null
} | sed -nE 's/^.*(=>)?[[:space:]](\/(usr\/)?lib(64)?\/[^ ]+) \(.*$/\2/p' | sort -u > /tmp/libraries
while read -r library; do
    real=$(realpath "$library")
    mkdir -p "$image$(dirname "$real")"
    cp -a "$real" "$image$real"
    asked="$image$(realpath "$(dirname "$library")")/$(basename "$library")"
    [ -e "$asked" ] || ln -s "$real" "$asked"
    # Scanners read from here which packages of Debian's an image without dpkg holds.
    package=$(dpkg -S "$library" 2>/dev/null || dpkg -S "$real" 2>/dev/null || dpkg -S "/usr$library")
    package=${package%%:*}
    mkdir -p "$image/var/lib/dpkg/status.d"
    dpkg-query --status "$package" > "$image/var/lib/dpkg/status.d/$package"
done < /tmp/libraries
cp -a /etc/ld.so.conf /etc/ld.so.conf.d "$image/etc/"
ldconfig -X -r "$image"
rm -rf "$image/var/cache"

cp -L /etc/ssl/certs/ca-certificates.crt "$image/etc/ssl/certs/"
cp /etc/os-release "$image/etc/"
echo 'hosts: files dns' > "$image/etc/nsswitch.conf"
printf '%s\n' root:x:0:0::/:/sbin/nologin goodserve:x:10001:10001::/tmp:/sbin/nologin > "$image/etc/passwd"
printf '%s\n' root:x:0: goodserve:x:10001: > "$image/etc/group"

# Compiled here, as nothing can be written later; by content, as times are not the files' own.
python -m compileall -q -j 1 --invalidation-mode unchecked-hash -s "$image" -p / "$image"
find "$image" -exec touch --no-dereference --date "@$SOURCE_DATE_EPOCH" {} +
