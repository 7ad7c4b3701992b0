# Lets the roles of wifmint's functions into a Google project, and nobody else,
# without a key. "wifmint setup google" writes the same as a gcloud script.

resource "google_project_service" "needed" {
  for_each = toset([
    "iam.googleapis.com",                  # the pool
    "sts.googleapis.com",                  # the exchange
    "iamcredentials.googleapis.com",       # impersonation
    "cloudresourcemanager.googleapis.com", # the project's own bindings
  ])

  project            = var.project_id
  service            = each.key
  disable_on_destroy = false # others in the project may use it
}

resource "google_iam_workload_identity_pool" "aws" {
  project                   = var.project_id
  workload_identity_pool_id = var.pool_id
  display_name              = var.pool_id
  description               = "AWS roles that wifmint runs as"

  depends_on = [google_project_service.needed]
}

resource "google_iam_workload_identity_pool_provider" "lambda" {
  project                            = var.project_id
  workload_identity_pool_id          = google_iam_workload_identity_pool.aws.workload_identity_pool_id
  workload_identity_pool_provider_id = var.provider_id

  attribute_condition = local.condition
  attribute_mapping = {
    "google.subject"     = local.role
    "attribute.aws_role" = local.role
  }

  aws {
    account_id = var.aws_account_id
  }
}

locals {
  # The pool's name has the project's number, as Google's STS wants it.
  principals = "principalSet://iam.googleapis.com/${google_iam_workload_identity_pool.aws.name}/attribute.aws_role"
}

# The rotator impersonates with the minter's token, and with its own when there is
# none, so both are let.
resource "google_service_account_iam_member" "minter" {
  for_each = var.service_accounts

  service_account_id = "projects/-/serviceAccounts/${each.key}"
  role               = "roles/iam.workloadIdentityUser"
  member             = "${local.principals}/${local.minter}"
}

resource "google_service_account_iam_member" "rotator" {
  for_each = var.service_accounts

  service_account_id = "projects/-/serviceAccounts/${each.key}"
  role               = "roles/iam.workloadIdentityUser"
  member             = "${local.principals}/${local.rotator}"
}

resource "google_project_iam_member" "minter" {
  for_each = var.project_roles

  project = var.project_id
  role    = each.key
  member  = "${local.principals}/${local.minter}"
}
