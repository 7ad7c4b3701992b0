#!/bin/sh
# What an executable source looks like: it proves who this machine is, here to
# nobody, and prints the answer.
case $GOOGLE_EXTERNAL_ACCOUNT_AUDIENCE in
*/workloadIdentityPools/*)
  echo '{"version": 1, "success": true, "token_type": "'"$GOOGLE_EXTERNAL_ACCOUNT_TOKEN_TYPE"'", "id_token": "'"$1"'"}'
  ;;
*)
  echo '{"version": 1, "success": false, "code": "unknown_audience", "message": "no token for '"$GOOGLE_EXTERNAL_ACCOUNT_AUDIENCE"'"}'
  exit 1
  ;;
esac
