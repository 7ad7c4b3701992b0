locals {
  # The roles as AWS tells them to Google, which leaves a role's path out.
  minter  = "arn:aws:sts::${var.aws_account_id}:assumed-role/${var.minter_role}"
  rotator = var.rotator_role == null ? null : "arn:aws:sts::${var.aws_account_id}:assumed-role/${var.rotator_role}"

  # What Google calls whoever comes, as google.subject and as attribute.aws_role:
  # the role, without the session. Google's own google.subject has the session,
  # which is the function's name, and is then soon longer than the 127 bytes that
  # it takes. What stands in front of "assumed-role/" stays: else an IAM user with
  # the path "/assumed-role/NAME/" would pass for the role NAME.
  role = "assertion.arn.contains('assumed-role') ? assertion.arn.extract('{account_arn}assumed-role/') + 'assumed-role/' + assertion.arn.extract('assumed-role/{role_name}/') : assertion.arn"

  # Without a condition, every role of the account is let in.
  condition = "attribute.aws_role in [${join(", ", [for role in compact([local.minter, local.rotator]) : "'${role}'"])}]"
}
