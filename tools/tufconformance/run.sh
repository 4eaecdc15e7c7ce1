#!/usr/bin/env bash
# Runs tuf-conformance, the suite of the TUF project, against the client of update/trust. README.md says what comes out.
#
#   tools/tufconformance/run.sh [pytest arguments]
#
# It needs git, Python 3.11 with pytest, cryptography, requests and urllib3, and faketime
# (Debian: python3-pytest python3-cryptography python3-requests python3-urllib3 faketime), and the sources of the suite and of the two
# libraries that it stands on: from TUF_CONFORMANCE, PYTHON_TUF and SECURESYSTEMSLIB where these name folders, else from the network.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# source FOLDER URL COMMIT: prints where the source lies.
source_of() {
  if [ -n "$1" ]; then echo "$1"; return; fi
  git clone -q "https://github.com/$2" "$work/${2#*/}" && git -C "$work/${2#*/}" checkout -q "$3" && echo "$work/${2#*/}"
}
suite=$(source_of "${TUF_CONFORMANCE:-}" theupdateframework/tuf-conformance eec841c5)
tuf=$(source_of "${PYTHON_TUF:-}" theupdateframework/python-tuf 4abccdcf)
lib=$(source_of "${SECURESYSTEMSLIB:-}" secure-systems-lab/securesystemslib e3ccdc48)

(cd "$here/../.." && go test -c -o "$work/trust.test" ./update/trust)
printf '#!/bin/sh\nPLOMB_TUF_CLIENT=1 exec %s/trust.test "$@"\n' "$work" >"$work/client"
chmod +x "$work/client"
cp "$here/client.xfails" "$work/client.xfails"
export PYTHONPATH=$here:$tuf:$lib PYTHONDONTWRITEBYTECODE=1
cd "$suite"
"${PYTHON:-python3}" -m pytest -q -p no:cacheprovider -p published_hashes tuf_conformance --entrypoint "$work/client" "$@"
