#!/bin/sh
# Puts Julia 1.5.3 into a folder of its own and prints the path of its executable. Debian 12 has no
# Julia; the packages of Debian 11 are unpacked beside the system, whose sources and packages stay as
# they are. Done once; later runs only print the path. Usage: tests/get_julia.sh [FOLDER]
# Ends with 77 and the reason as its last line when Julia cannot be had here.
set -eu
prefix=${1:-${XDG_CACHE_HOME:-$HOME/.cache}/cytosol/julia}
julia=$prefix/julia
version="julia version 1.5.3"

cannot() {
    echo "Julia cannot be had: $*" >&2
    exit 77
}

if [ -x "$julia" ] && [ "$("$julia" --version 2>/dev/null)" = "$version" ]; then
    echo "$julia"
    exit 0
fi

for tool in apt-get apt-config dpkg dpkg-deb; do
    command -v $tool >/dev/null 2>&1 || cannot "$tool is missing; this works on Debian 12 only"
done
codename=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
[ "$codename" = bookworm ] || cannot "this works on Debian 12 (bookworm) only, not on \"$codename\""
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
[ -r $keyring ] || cannot "$keyring is missing (Debian: debian-archive-keyring)"
mirror=$(apt-get indextargets --format '$(REPO_URI) $(RELEASE)' 'Created-By: Packages' |
    awk -v release="$codename" '$2 == release { print $1; exit }')
[ -n "$mirror" ] || cannot "apt has no package list of $codename; run apt-get update as root"

# Everything is made beside the final folder, which appears at once or not at all.
mkdir -p "$(dirname "$prefix")"
work=$(mktemp -d "$(dirname "$prefix")/julia.XXXXXX")
trap 'rm -rf "$work"' EXIT
apt=$work/apt
mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial" "$apt/empty" "$work/deb" "$work/files"
: >"$apt/status"
echo "deb [signed-by=$keyring] $mirror bullseye main" >"$apt/sources.list"
cat >"$apt/apt.conf" <<CONF
Dir::State "$apt";
Dir::State::status "$apt/status";
Dir::State::Lists "$apt/lists";
Dir::Cache "$apt/cache";
Dir::Etc::sourcelist "$apt/sources.list";
Dir::Etc::sourceparts "$apt/empty";
Dir::Etc::preferencesparts "$apt/empty";
APT::Sandbox::User "$(id -un)";
Debug::NoLocking "true";
CONF
export APT_CONFIG="$apt/apt.conf"
apt-get update >"$work/log" 2>&1 || { cat "$work/log" >&2; cannot "apt-get update failed for $mirror"; }
# Of Debian 11 only what Debian 12 has no more; never its C library, libstdc++ or libgcc.
(cd "$work/deb" && apt-get download julia libjulia1 julia-common libllvm9 libgit2-1.1 libmbedcrypto3 \
    libmbedx509-0 libmbedtls12 libdsfmt-19937-1 libhttp-parser2.9 libutf8proc2 libffi7 libopenlibm3 \
    libunwind8 libpcre2-8-0 libmpfr6 libssh2-1 libcurl3-gnutls libldap-2.4-2 libz3-4) \
    >"$work/log" 2>&1 || { cat "$work/log" >&2; cannot "apt-get download failed for $mirror"; }
for package in "$work"/deb/*.deb; do
    dpkg-deb -x "$package" "$work/files"
done
rm -rf "$apt" "$work/deb" "$work/log"
cat >"$work/julia" <<'WRAPPER'
#!/bin/sh
here=$(dirname "$(readlink -f "$0")")
for folder in "$here"/files/usr/lib/*-linux-gnu; do :; done
LD_LIBRARY_PATH="$folder:$folder/julia${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}" \
    exec "$here/files/usr/bin/julia" "$@"
WRAPPER
chmod 755 "$work" "$work/julia"
if [ "$("$work/julia" --version 2>&1)" != "$version" ]; then
    "$work/julia" --version >&2 || true
    cannot "it does not start; the line above says which library is missing" \
        "(Debian: libgfortran5 libgmp10 libedit2 libcurl3-gnutls)"
fi
rm -rf "$prefix"
mv "$work" "$prefix"
trap - EXIT
echo "$julia"
