
# stop says what is in the way and ends the script.
stop() {
  printf 'stopped: %s\n' "$@" >&2
  exit 1
}

# 1. The project: the number is in every name below, so it has to be this project's.
found=$(gcloud projects describe "$project" --format='value(projectNumber)')
[[ $found == "$number" ]] || stop "the number of project $project is $found, not $number"

# 2. The APIs: the pool's (iam), the exchange (sts), impersonation (iamcredentials),
# and the project's own bindings (cloudresourcemanager).
gcloud services enable --project="$project" \
  iam.googleapis.com sts.googleapis.com iamcredentials.googleapis.com cloudresourcemanager.googleapis.com

# 3. The pool: a namespace for identities from outside.
state=$(gcloud iam workload-identity-pools describe "$pool" --project="$project" --location=global \
  --format='value(state)' 2>/dev/null || true)
case $state in
  '')
    gcloud iam workload-identity-pools create "$pool" --project="$project" --location=global \
      --display-name="$pool" --description='AWS roles that wifmint runs as'
    ;;
  DELETED)
    stop "the pool $pool was deleted within the last 30 days; choose another one, or bring it back, with all that was granted to it:" \
      "gcloud iam workload-identity-pools undelete $pool --project=$project --location=global"
    ;;
esac

# 4. The provider: who of that AWS account is let in, and under which name. Every
# role of the account is, where there is no condition.
in_pool=(--project="$project" --location=global --workload-identity-pool="$pool")
trusting=(
  --account-id="$aws_account"
  --attribute-mapping="google.subject=$role,attribute.aws_role=$role"
  --attribute-condition="$condition"
)
wanted="ACTIVE|$aws_account|$condition|$role|$role"
found=$(gcloud iam workload-identity-pools providers describe "$provider" "${in_pool[@]}" \
  --format='value[separator="|"](state, aws.accountId, attributeCondition, attributeMapping."google.subject", attributeMapping."attribute.aws_role")' \
  2>/dev/null || true)
case $found in
  '')
    gcloud iam workload-identity-pools providers create-aws "$provider" "${in_pool[@]}" "${trusting[@]}"
    ;;
  "$wanted") ;;
  'DELETED|'*)
    stop "the provider $provider was deleted within the last 30 days; choose another one, or bring it back:" \
      "gcloud iam workload-identity-pools providers undelete $provider ${in_pool[*]}"
    ;;
  *)
    # Others may come in by it, whom the condition above would shut out.
    [[ ${1-} == --replace ]] || stop "the provider $provider is there, and differs" "found  $found" "wanted $wanted" \
      "choose another one, or make it what is wanted: bash $(printf %q "$0") --replace"
    gcloud iam workload-identity-pools providers update-aws "$provider" "${in_pool[@]}" "${trusting[@]}"
    ;;
esac

# 5. What they may do. A binding that is there already is none the second time.
# --condition=None: else gcloud asks, where other bindings have conditions.
principals="principalSet://iam.googleapis.com/projects/$number/locations/global/workloadIdentityPools/$pool/attribute.aws_role"

# impersonate SERVICE_ACCOUNT ROLE lets a role have the account's tokens, whatever
# project the account is of. Google says PERMISSION_DENIED where there is none, too.
impersonate() {
  gcloud iam service-accounts add-iam-policy-binding "projects/-/serviceAccounts/$1" \
    --role=roles/iam.workloadIdentityUser --member="$principals/$2" --condition=None --format=none
}

# grant GOOGLE_ROLE gives it to whoever has the minter's federated token.
grant() {
  gcloud projects add-iam-policy-binding "$project" \
    --role="$1" --member="$principals/$minter" --condition=None --format=none
}
