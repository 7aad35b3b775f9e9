"""Names the parts of the embedded cloud, as ARNs do. Nothing is imported here, so that an instance starts without the cloud."""

ACCOUNT = "123456789012"  # moto's
REGION = "us-east-1"
STACK = "coatcheck"

FUNCTION = "coatcheck"
FUNCTION_ARN = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{FUNCTION}"
ALIAS_ARN = f"{FUNCTION_ARN}:live"

MACHINE = "coatcheck-backlog"
MACHINE_ARN = f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:{MACHINE}"
MACHINE_ROLE_ARN = f"arn:aws:iam::{ACCOUNT}:role/{MACHINE}"
