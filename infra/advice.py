"""Says what to do about a call of AWS that failed, by the code of its error. Pure."""

from __future__ import annotations

MISSING = {"404", "NoSuchBucket", "NoSuchKey", "NotFound", "ResourceNotFoundException", "QueueDoesNotExist"} | {
    *("AWS.SimpleQueueService.NonExistentQueue", "StateMachineDoesNotExist"),
}
REFUSED = {"403", "AccessDenied", "AccessDeniedException", "AuthorizationError", "InvalidAccessKeyId", "ExpiredToken"} | {
    *("SignatureDoesNotMatch", "UnrecognizedClientException", "InvalidClientTokenId", "AllAccessDisabled"),
}
NOT_SET_UP = {"NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError", "TokenRetrievalError"} | {
    *("UnauthorizedSSOTokenError", "ProfileNotFound", "NoRegionError", "InvalidRegionError", "EndpointConnectionError"),
    "ConnectTimeoutError",
}


# Calls that IAM allows by the name of another action, and the ending of calls that do several at once.
_ACTIONS = {"HeadBucket": "ListBucket", "HeadObject": "GetObject", "ListObjectsV2": "ListBucket"}
_BATCH = "Batch"


def action_of(operation: str) -> str:
    """Returns the action, as policies of IAM name it, that allows a call: DescribeStacks for describe_stacks."""
    name = "".join(word.capitalize() for word in operation.split("_")) if operation.islower() else operation
    return _ACTIONS.get(name, name.removesuffix(_BATCH))


def advise(code: str, operation: str) -> str | None:
    """Returns what to do about a call that failed with a code, as far as the code tells it; None if it does not."""
    if code in REFUSED:
        return f"allow {action_of(operation)} to the identity that you run this with"
    if code in MISSING:
        return "check its name, the region and the account"
    if code in NOT_SET_UP:
        return "check the credentials, the profile, the region and the endpoint that are set for boto3"
    return None
