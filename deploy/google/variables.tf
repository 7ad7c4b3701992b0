variable "project_id" {
  description = "The Google project that holds the pool: its id."
  type        = string

  validation {
    condition     = can(regex("^([a-z0-9.-]+:)?[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project_id))
    error_message = "Write the project's id, such as my-project, not its number."
  }
}

variable "pool_id" {
  description = "The workload identity pool to create: its id."
  type        = string
  default     = "wifmint"

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{3,31}$", var.pool_id)) && !startswith(var.pool_id, "gcp-")
    error_message = "Write the pool's id alone, 4 to 32 of a-z, 0-9 and '-', not starting with '-' or gcp-."
  }
}

variable "provider_id" {
  description = "The AWS provider to create in the pool: its id."
  type        = string
  default     = "lambda"

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{3,31}$", var.provider_id)) && !startswith(var.provider_id, "gcp-")
    error_message = "Write the provider's id alone, 4 to 32 of a-z, 0-9 and '-', not starting with '-' or gcp-."
  }
}

variable "aws_account_id" {
  description = "The AWS account that the functions run in."
  type        = string

  validation {
    condition     = can(regex("^[0-9]{12}$", var.aws_account_id))
    error_message = "Write the 12 digits of the AWS account, in quotes."
  }
}

variable "minter_role" {
  description = "The minter's role: what follows the last slash of the stack's output MinterAssumedRole."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9+=,.@_-]{1,64}$", var.minter_role))
    error_message = "Write the role's name alone: no ARN, and no path, which AWS leaves out where it tells Google who signed."
  }
}

variable "rotator_role" {
  description = "The rotator's role, from the output RotatorAssumedRole; null lets it not in, which is for when there are no service accounts."
  type        = string
  default     = null

  validation {
    condition     = var.rotator_role == null || can(regex("^[A-Za-z0-9+=,.@_-]{1,64}$", var.rotator_role))
    error_message = "Write the role's name alone: no ARN, and no path, which AWS leaves out where it tells Google who signed."
  }

  validation {
    condition     = var.rotator_role != var.minter_role
    error_message = "Write the rotator's own role: this is the minter's."
  }

  validation {
    condition     = var.rotator_role != null || length(var.service_accounts) == 0
    error_message = "Write the rotator's role: it impersonates the service accounts."
  }
}

variable "service_accounts" {
  description = "Emails of the service accounts that the functions impersonate. They have to exist."
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for email in var.service_accounts : can(regex("^[A-Za-z0-9][A-Za-z0-9._-]*@[A-Za-z0-9-]+(\\.[A-Za-z0-9-]+)*\\.gserviceaccount\\.com$", email))])
    error_message = "Write emails of service accounts, such as reports@my-project.iam.gserviceaccount.com."
  }
}

variable "project_roles" {
  description = "Google roles on the project for the federated token itself, and so for everyone who can read its secret."
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for role in var.project_roles : can(regex("^(projects/[a-z0-9.:-]+/|organizations/[0-9]+/)?roles/[A-Za-z0-9._]+$", role))])
    error_message = "Write Google roles, such as roles/storage.objectViewer."
  }
}
