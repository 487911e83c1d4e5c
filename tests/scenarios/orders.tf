# A cluster as users write it down: no more about where it lives than its subnets, no endpoint, no switch that skips a check.
terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}

provider "aws" {}

variable "subnets" { type = list(string) }
variable "security_groups" { type = list(string) }

variable "configuration" { default = "orders" }
variable "properties" { default = "log.retention.hours = 24\n" }
variable "brokers" { default = 3 }
variable "instance_type" { default = "kafka.m5.large" }
variable "volume_size" { default = 100 }
variable "monitoring" { default = "DEFAULT" }
variable "exporters" { default = true }
variable "logs" { default = true }
variable "team" { default = "orders" }
variable "connectivity" { default = false }

resource "aws_msk_configuration" "orders" {
  name              = var.configuration
  kafka_versions    = ["4.3.x.kraft"]
  server_properties = var.properties

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_msk_cluster" "orders" {
  cluster_name           = "orders"
  kafka_version          = "4.3.x.kraft"
  number_of_broker_nodes = var.brokers
  enhanced_monitoring    = var.monitoring

  broker_node_group_info {
    instance_type   = var.instance_type
    client_subnets  = var.subnets
    security_groups = var.security_groups

    storage_info {
      ebs_storage_info {
        volume_size = var.volume_size
      }
    }

    # All that is off anyway.
    dynamic "connectivity_info" {
      for_each = var.connectivity ? [1] : []
      content {
        public_access {
          type = "DISABLED"
        }
        vpc_connectivity {
          client_authentication {
            sasl {
              iam   = false
              scram = false
            }
            tls = false
          }
        }
      }
    }
  }

  configuration_info {
    arn      = aws_msk_configuration.orders.arn
    revision = aws_msk_configuration.orders.latest_revision
  }

  encryption_info {
    encryption_in_transit {
      client_broker = "TLS_PLAINTEXT"
    }
  }

  dynamic "open_monitoring" {
    for_each = var.exporters ? [1] : []
    content {
      prometheus {
        jmx_exporter {
          enabled_in_broker = true
        }
        node_exporter {
          enabled_in_broker = true
        }
      }
    }
  }

  logging_info {
    broker_logs {
      cloudwatch_logs {
        enabled   = var.logs
        log_group = var.logs ? "orders" : null
      }
      s3 {
        enabled = true
        bucket  = "orders-logs"
        prefix  = "brokers/"
      }
    }
  }

  tags = { team = var.team }
}

data "aws_msk_kafka_version" "known" {
  preferred_versions = ["9.9.9", "4.3.x.kraft"]
}

data "aws_msk_configuration" "orders" {
  name       = var.configuration
  depends_on = [aws_msk_configuration.orders]
}

data "aws_msk_cluster" "orders" {
  cluster_name = aws_msk_cluster.orders.cluster_name
}

data "aws_msk_bootstrap_brokers" "orders" {
  cluster_arn = aws_msk_cluster.orders.arn
}

output "cluster" { value = aws_msk_cluster.orders.arn }
output "configuration" { value = aws_msk_configuration.orders }
output "brokers" {
  value = {
    plaintext = aws_msk_cluster.orders.bootstrap_brokers
    tls       = aws_msk_cluster.orders.bootstrap_brokers_tls
  }
}

output "found_version" { value = data.aws_msk_kafka_version.known.version }
output "found_properties" { value = data.aws_msk_configuration.orders.server_properties }
output "found_cluster" { value = data.aws_msk_cluster.orders.cluster_uuid }
output "found_brokers" {
  value = {
    plaintext = data.aws_msk_bootstrap_brokers.orders.bootstrap_brokers
    tls       = data.aws_msk_bootstrap_brokers.orders.bootstrap_brokers_tls
  }
}
