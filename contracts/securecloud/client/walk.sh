#!/usr/bin/env bash
# A walk through the dialect of SecureCloud with bash and curl, as a build server would go. Written from ../CONTRACT.md; where
# the vendor's scripts depend on a detail (the letter case of a header's name, an empty body), so does this one.
#
# SECURECLOUD_URL, ADMIN_JWT, VIEWER_JWT, ACCOUNT_JWT, ACCOUNT, USER_EMAIL and USER_PASSWORD say where and who.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
calls=0

fail() {
    echo "walk: $*" >&2
    exit 1
}

# call STATUS TOKEN METHOD PATH [curl options]: leaves the head in $work/head and the body in $work/body.
call() {
    local expected=$1 token=$2 method=$3 path=$4 status
    shift 4
    case $path in http*) ;; *) path=$SECURECLOUD_URL$path ;; esac
    # The token goes through a file: the list of processes is for everybody.
    printf 'header = "Authorization: Bearer %s"\n' "$token" >"$work/token"
    : >"$work/body"
    status=$(curl --silent --show-error --config "$work/token" --request "$method" --dump-header "$work/head" \
        --output "$work/body" --write-out '%{http_code}' "$@" "$path")
    calls=$((calls + 1))
    [ "$status" = "$expected" ] || fail "$method $path: $status instead of $expected: $(cat "$work/body")"
}

# member NAME: the first text of that name in the body.
member() {
    sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p" "$work/body" | head -n 1
}

has() {
    grep -q -- "$1" "$work/body" || fail "no $1 in: $(cat "$work/body")"
}

has_not() {
    ! grep -q -- "$1" "$work/body" || fail "$1 in: $(cat "$work/body")"
}

json() {
    printf '%s' "$1" >"$work/json"
    echo "--header Content-Type:application/json --data-binary @$work/json"
}

keys=/api/v1/rome/api-access-keys
accounts=/api/v1/orca/cloud-accounts

# Viewers read and do not write; one account is one account.
call 200 "$VIEWER_JWT" GET "$accounts"
has '"id":"444455556666"'
call 403 "$VIEWER_JWT" DELETE "$accounts/$ACCOUNT"
call 200 "$ACCOUNT_JWT" GET "$accounts"
has "\"id\":\"$ACCOUNT\""
has_not 444455556666
call 200 "$ACCOUNT_JWT" GET "$accounts/$ACCOUNT"
call 403 "$ACCOUNT_JWT" GET "$accounts/444455556666"
call 403 "$ACCOUNT_JWT" GET /api/v1/orca/conf/clusters
call 200 "$VIEWER_JWT" GET /api/v1/orca/conf/clusters --header 'Accept: application/json'

# A key is added, used, edited, removed.
call 403 "$VIEWER_JWT" GET "$keys"
call 400 "$ADMIN_JWT" POST "$keys" $(json '{"name":"walk","roles":[{"role":"cloud_account_viewer"}]}')
call 201 "$ADMIN_JWT" POST "$keys" $(json '{"name":"walk","roles":[{"role":"cloud_account_viewer","accounts":["444455556666"]}]}')
id=$(member id)
made=$(member jwt)
call 409 "$ADMIN_JWT" POST "$keys" $(json '{"name":"walk","roles":[{"role":"global_viewer"}]}')
call 200 "$made" GET "$accounts/444455556666"
call 403 "$made" GET "$accounts/$ACCOUNT"
call 400 "$ADMIN_JWT" PUT "$keys/$id" $(json '{"name":"run"}')
call 200 "$ADMIN_JWT" PUT "$keys/$id" $(json '{"period":"One year","roles":[{"role":"global_viewer"}]}')
call 200 "$made" GET "$accounts/$ACCOUNT"
call 200 "$ADMIN_JWT" GET "$keys"
has '"name":"walk"'
has_not '"jwt"'
call 204 "$ADMIN_JWT" DELETE "$keys/$id"
call 401 "$made" GET "$accounts"

# A person's token.
person="username=$USER_EMAIL&password=$USER_PASSWORD&grant_type=password&client_id=express"
printf '%s' "$person" >"$work/form"
call 200 none POST /api/rome/token --data-binary "@$work/form"
has '"expires_in":300'
in_person=$(member access_token)
call 200 "$in_person" GET "$accounts"
call 403 "$in_person" GET "$keys"
call 401 none POST /api/rome/token --data 'username=x@y.example&password=x&grant_type=password&client_id=express'
has '"error":"invalid_grant"'

# The check of workloads.
printf 'kind: Deployment\n' >"$work/workload.yaml"
call 200 "$ADMIN_JWT" POST /api/v1/orca/model/cross-cluster/workload-risks \
    --header 'Content-Type: application/octet-stream' --data-binary "@$work/workload.yaml"
has '"workloads"'

# The simulation of a plan: accepted without a body; where its result is stands in a header whose name is in lower case.
printf '{}' >"$work/plan.json"
simulation=/api/iris/model/cross-account/simulation
call 401 none POST "$simulation" --header 'Format: terraform02' --form "plan=@$work/plan.json"
[ ! -s "$work/body" ] || fail "a refused simulation has a body: $(cat "$work/body")"
call 202 "$ADMIN_JWT" POST "$simulation" --header 'Format: terraform02' --form "plan=@$work/plan.json"
[ ! -s "$work/body" ] || fail "an accepted simulation has a body: $(cat "$work/body")"
place=$(tr -d '\r' <"$work/head" | sed -n 's/^location: *\(http.*\)$/\1/p')
[ -n "$place" ] || fail "no location in: $(cat "$work/head")"
for _ in $(seq 60); do
    call 200 "$ADMIN_JWT" GET "$place"
    [ "$(member status)" != IN_PROGRESS ] && break
    sleep 2
done
has '"status":"SUCCESS"'
has_not '"state":"NEW"'

# The scan of an image: a script that is run.
call 200 "$ADMIN_JWT" GET /api/orca/public/scripts/cicd-image-scan --header 'Accept: application/octet-stream'
bash "$work/body" registry.example/shop:1 "$work/scan.json"
grep -q '"state":"FINISHED","score":"A"' "$work/scan.json" || fail "the scan wrote $(cat "$work/scan.json")"

# The authorization of a change.
call 200 "$ADMIN_JWT" GET /iris/api/provisioning/targets
has '"azure_vnet_id"'
call 200 "$ADMIN_JWT" POST /api/iris/model/cross-account/integration/verify-changes \
    --header 'Format: terraform02' --form "plan=@$work/plan.json" --form "access-request=@$work/plan.json"
has '"status":"PASS"'

echo "walk: $calls calls were answered as the contract says"
