#!/usr/bin/env bash
# Gets the mail programs, the browser and the clock that the interop suite runs, and writes into
# target/interop/available which are here. Says what it will install before it does; when all is here already it only looks.
#
#   Debian, Ubuntu   apt packages, as root or with sudo; aiosmtpd and nodemailer into target/interop
#   elsewhere        nothing is installed, but aiosmtpd and nodemailer if their tools are here
#
# With CI=true a program that is missing in the end is an error. Else its tests say "left out".
# No service is started, and Postfix gets no configuration: the suite brings its own, and only root
# can start it.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
folder=$(cd "$here/../.." && pwd)/target/interop
venv=$folder/venv
modules=$folder/node
export PATH=$PATH:/usr/sbin:/sbin
export DEBIAN_FRONTEND=noninteractive

say() { printf 'interop: %s\n' "$*"; }
has() { command -v "$1" >/dev/null 2>&1; }

# ---- what is here -------------------------------------------------------------------------------

has_module() { [ -s "$modules/node_modules/nodemailer/package.json" ] &&
    grep -q "\"version\": \"$(pinned_nodemailer)\"" "$modules/node_modules/nodemailer/package.json"; }
pinned_nodemailer() { sed -n 's/.*"nodemailer": "\(.*\)".*/\1/p' "$here/package.json"; }
has_aiosmtpd() { [ -x "$venv/bin/python" ] && cmp -s "$here/requirements.txt" "$venv/installed.txt"; }
has_phpmailer() { [ -e /usr/share/php/libphp-phpmailer/src/PHPMailer.php ] ||
    [ -e /usr/share/php/libphp-phpmailer/autoload.php ]; }
has_venv() { has python3 && python3 -c 'import ensurepip, venv' 2>/dev/null; }
# Ubuntu has it as a snap only.
on_ubuntu() { grep -qsx 'ID=ubuntu' /etc/os-release; }
faketime() { compgen -G '/usr/lib/*/faketime/libfaketimeMT.so.1' | head -n 1 || true; }
# SASL's own plug-ins: PLAIN and LOGIN, and the database of passwords.
has_sasl() { compgen -G '/usr/lib/*/sasl2/libplain.so*' >/dev/null &&
    compgen -G '/usr/lib/*/sasl2/libsasldb.so*' >/dev/null && has saslpasswd2; }

# ---- apt ----------------------------------------------------------------------------------------

missing_packages() {
    has curl || echo curl
    has swaks || echo swaks
    has msmtp || echo msmtp
    has php || echo php-cli
    has_phpmailer || echo libphp-phpmailer
    has python3 || echo python3
    has_venv || echo python3-venv
    has node || echo nodejs
    has npm || echo npm
    has postfix || echo postfix
    has_sasl || printf '%s\n' sasl2-bin libsasl2-modules libsasl2-modules-db
    [ -n "$(faketime)" ] || echo libfaketime
    has chromium || on_ubuntu || printf '%s\n' chromium fonts-dejavu-core
}

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo env DEBIAN_FRONTEND=noninteractive "$@"; fi; }

# A service that its package wants to start is not started (invoke-rc.d asks this script).
policy=/usr/sbin/policy-rc.d
forbid_services() {
    [ -e "$policy" ] && return
    printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
    as_root chmod 755 "$policy"
    trap 'as_root rm -f "$policy"' EXIT
}

install_packages() {
    local log=$folder/apt.log
    say "apt-get update"
    as_root apt-get -q update >"$log" 2>&1 || say "apt-get update failed, going on with the lists that are here"
    # A mail server that somebody uses is not ours to remove.
    local removed
    removed=$(apt-get -s install --no-install-recommends "$@" 2>/dev/null | awk '/^Remv/ {print $2}' | xargs)
    if [ -n "$removed" ]; then
        say "Postfix would remove $removed: not installed"
        local package kept=()
        for package; do [ "$package" = postfix ] || kept+=("$package"); done
        [ ${#kept[@]} -gt 0 ] || return 0
        set -- "${kept[@]}"
    fi
    forbid_services
    # Without a main.cf the system's own Postfix cannot start, not even at the next boot.
    if printf '%s\n' "$@" | grep -qx postfix && has debconf-set-selections; then
        echo 'postfix postfix/main_mailer_type select No configuration' | as_root debconf-set-selections
    fi
    say "apt-get install $*"
    if ! as_root apt-get -qy install --no-install-recommends "$@" >>"$log" 2>&1; then
        tail -n 20 "$log" >&2
        say "apt-get install failed; all of its output is in $log"
    fi
}

# ---- aiosmtpd and nodemailer --------------------------------------------------------------------

install_aiosmtpd() {
    has_venv || return 0
    say "python3 -m venv and pip install $(xargs <"$here/requirements.txt") into ${venv#"$PWD"/}"
    rm -rf "$venv"
    if python3 -m venv "$venv" && "$venv/bin/python" -m pip install --quiet \
        --disable-pip-version-check -r "$here/requirements.txt" >&2; then
        cp "$here/requirements.txt" "$venv/installed.txt"
    else
        say "pip install failed"
    fi
}

install_nodemailer() {
    has npm || return 0
    say "npm install nodemailer $(pinned_nodemailer) into ${modules#"$PWD"/}"
    mkdir -p "$modules"
    cp "$here/package.json" "$modules/"
    npm install --prefix "$modules" --no-audit --no-fund --ignore-scripts --no-package-lock \
        --loglevel=error >/dev/null || say "npm install failed"
}

# ---- the order of things ------------------------------------------------------------------------

mkdir -p "$folder"
began=$SECONDS
packages=$(missing_packages | xargs)
if [ -n "$packages" ]; then
    if ! has apt-get; then
        say "missing here: $packages (names of Debian); only on Debian and Ubuntu are they installed by this script"
    elif [ "$(id -u)" != 0 ] && ! has sudo; then
        say "missing here: $packages; to install them this script must be root or have sudo"
    else
        say "will install with apt: $packages"
        apt=yes
    fi
fi
has_aiosmtpd || say "will install with pip, into target/interop/venv: $(xargs <"$here/requirements.txt")"
has_module || say "will install with npm, into target/interop/node: nodemailer $(pinned_nodemailer)"

# shellcheck disable=SC2086 # one word a package
[ -z "${apt:-}" ] || install_packages $packages
has_aiosmtpd || install_aiosmtpd
has_module || install_nodemailer

# ---- what is here now: a line NAME=PATH a program, or NAME=missing: WHY --------------------------

missing=0
part() { # NAME PATH WHY-NOT, with the exit code of the check before it
    if [ "$1" = 0 ]; then
        echo "$2=$3"
    else
        echo "$2=missing: $4"
        missing=$((missing + 1))
        say "left out: the tests with $2: $4" >&2
    fi
}
check() { "$@" && echo 0 || echo 1; }
is_root() { [ "$(id -u)" = 0 ]; }
can_node() { has node && has_module; }
can_php() { has php && has_phpmailer; }
can_postfix() { has postfix && has_sasl && is_root; }
why_no_postfix() { if has postfix && has_sasl; then echo "only root can start it"; else
    echo "postfix with sasl2-bin is not installed"; fi; }

{
    part "$(check has python3)" python3 "$(command -v python3)" "python3 is not installed"
    part "$(check has curl)" curl "$(command -v curl)" "curl is not installed"
    part "$(check has swaks)" swaks "$(command -v swaks)" "swaks is not installed"
    part "$(check has msmtp)" msmtp "$(command -v msmtp)" "msmtp is not installed"
    part "$(check can_node)" nodemailer "$(command -v node)" "node or the package nodemailer is not installed"
    part "$(check can_php)" phpmailer "$(command -v php)" "PHP or PHPMailer is not installed"
    part "$(check can_postfix)" postfix "$(command -v postfix)" "$(why_no_postfix)"
    part "$(check has chromium)" chromium "$(command -v chromium)" "chromium is not installed"
    part "$(check test -n "$(faketime)")" libfaketime "$(faketime)" "libfaketime is not installed"
    part "$(check has_aiosmtpd)" aiosmtpd "$venv/bin/python" "aiosmtpd is not installed"
} >"$folder/available.new"
mv "$folder/available.new" "$folder/available"

if [ -n "${apt:-}" ]; then say "installed in $((SECONDS - began)) s"; fi
if [ "$missing" != 0 ] && [ "${CI:-}" = true ]; then
    say "with CI=true nothing may be missing" >&2
    exit 1
fi
