#!/bin/sh
# RAUC hook: an image of the slot class "godwit" is a kit as a tar archive (`tar -C KIT -cf kit.tar .`), and
# `edge-agent install` takes it. See manifest.raucm beside it. https://rauc.readthedocs.io, "Hooks", "Slot hooks".
#
# What RAUC's own signature says of the bundle is RAUC's business: the kit is judged by what this device trusts.
# Where the root and the command lie may be said in /etc/default/godwit-kit.
set -eu

if [ -r /etc/default/godwit-kit ]; then . /etc/default/godwit-kit; fi
: "${GODWIT_ROOT:=/var/lib/godwit}" "${EDGE_AGENT:=edge-agent}"

if [ "$1" != slot-install ] || [ "${RAUC_SLOT_CLASS:-}" != godwit ]; then
    echo "error: hook $1 of ${RAUC_SLOT_CLASS:-no slot}: expected slot-install of a godwit slot, found another one; mend the manifest" >&2
    exit 2
fi
kit=$(mktemp -d)
trap 'rm -rf "$kit"' EXIT
tar -xf "$RAUC_IMAGE_NAME" -C "$kit" --no-same-owner
"$EDGE_AGENT" install "$kit" --root "$GODWIT_ROOT"
