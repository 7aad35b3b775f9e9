"""The calls of AWS as they reach the emulated cloud, so that every client is seen: in the process, or at moto's server."""

import io
import json
import urllib.parse

# The parameters of a query that choose no other operation.
PLAIN = {"x-id", "list-type", "prefix", "start-after", "continuation-token", "encoding-type", "max-keys"}
OPERATIONS = {"GET": "GetObject", "HEAD": "HeadObject", "PUT": "PutObject"}


def call_of(method, url, headers, body):
    """The operation of a request, and its arguments as boto3 names them. One that is not understood has a name of its own."""
    headers = {name.lower(): value for name, value in headers.items()}
    if "x-amz-target" in headers:
        return headers["x-amz-target"].rpartition(".")[2], json.loads(body)
    parts = urllib.parse.urlsplit(url)
    query = dict(urllib.parse.parse_qsl(parts.query, keep_blank_values=True))
    bucket, separator, _ = parts.netloc.partition(".s3.")
    path = parts.path[1:]
    if not separator:
        bucket, _, path = path.partition("/")
    key = urllib.parse.unquote(path)
    if set(query) - PLAIN:
        return f"{method} {sorted(query)}", {"Bucket": bucket, "Key": key}
    if method == "GET" and "list-type" in query:
        return "ListObjectsV2", {"Bucket": bucket, "Prefix": query.get("prefix", "")}
    return OPERATIONS.get(method, method), {"Bucket": bucket, "Key": key}


def record(patch, note):
    """Has `note(call, user_agent, status)` called for each request that moto answers, in the process or by its server."""
    from moto.core.botocore_stubber import BotocoreStubber
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication

    answer, serve = BotocoreStubber.__call__, DomainDispatcherApplication.__call__

    def answering(stubber, event_name, request, **rest):
        response = answer(stubber, event_name, request, **rest)
        if response is not None:
            headers = {name: text(value) for name, value in request.headers.items()}
            call = call_of(request.method, request.url, headers, request.body)
            note(call, headers["User-Agent"], response.status_code)
        return response

    def serving(application, environ, start_response):
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        headers = {"x-amz-target": environ["HTTP_X_AMZ_TARGET"]} if "HTTP_X_AMZ_TARGET" in environ else {}
        call = call_of(environ["REQUEST_METHOD"], f"http://{environ['HTTP_HOST']}{environ['RAW_URI']}", headers, body)

        def starting(status, *rest):
            note(call, environ.get("HTTP_USER_AGENT", ""), int(status.split()[0]))
            return start_response(status, *rest)

        return serve(application, {**environ, "wsgi.input": io.BytesIO(body)}, starting)

    patch.setattr(BotocoreStubber, "__call__", answering)
    patch.setattr(DomainDispatcherApplication, "__call__", serving)


def text(value):
    return value.decode() if isinstance(value, bytes) else value
