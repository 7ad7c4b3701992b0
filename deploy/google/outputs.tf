output "audience" {
  description = "The stack's parameter GoogleProviderAudience, and the audience of a credential file."
  value       = "//iam.googleapis.com/${google_iam_workload_identity_pool_provider.lambda.name}"
}

output "minter_principal_set" {
  description = "The minter to Google, and so whoever has its federated token: what to grant further roles to."
  value       = "${local.principals}/${local.minter}"
}

output "rotator_principal_set" {
  description = "The rotator to Google; null when it is not let in."
  value       = local.rotator == null ? null : "${local.principals}/${local.rotator}"
}
