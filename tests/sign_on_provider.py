"""An OpenID Connect provider in a process of its own, by Authlib, that lies on demand.

It checks what a provider checks: client secret, redirect address, PKCE, that a code works once.
POST /behave says whom it signs on and what is wrong with its answers.
"""

from __future__ import annotations

import base64
import hmac
import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import httpx

CLIENT_ID, CLIENT_SECRET = "tonnage", "what only the provider and tonnage know"


@dataclass
class Provider:
    """The running process, as tests steer it."""

    issuer: str
    process: subprocess.Popen[str]

    def behave(self, **behaviour: Any) -> None:
        """Say who signs on next and what is wrong; everything else is as it should be."""
        httpx.post(f"{self.issuer}/behave", json=behaviour).raise_for_status()

    def register(self, redirect_uri: str) -> None:
        """Send browsers back to this address, too."""
        httpx.post(f"{self.issuer}/register", json=redirect_uri).raise_for_status()

    def authorize(self, url: str) -> str:
        """Visit the provider as a browser whose person agrees; return where it is sent back to."""
        answer = httpx.get(url)
        assert answer.status_code == 302, answer.text
        return str(answer.headers["location"])

    def seen(self) -> list[str]:
        """Return the paths that were asked for, except by the test itself."""
        found: list[str] = httpx.get(f"{self.issuer}/seen").json()
        return found

    def stop(self) -> None:
        """End the process."""
        self.process.terminate()
        self.process.wait(10)
        if self.process.stdout is not None:
            self.process.stdout.close()


@contextmanager
def running_provider() -> Iterator[Provider]:
    """Start a provider on a free port."""
    process = subprocess.Popen(
        [sys.executable, __file__],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "AUTHLIB_INSECURE_TRANSPORT": "1"},
    )
    assert process.stdout is not None
    issuer = process.stdout.readline().strip()
    assert issuer, "the provider did not start"
    provider = Provider(issuer, process)
    try:
        yield provider
    finally:
        provider.stop()


def make_app(issuer: str) -> Any:
    """Build the provider."""
    from authlib.integrations.flask_oauth2 import AuthorizationServer
    from authlib.oauth2 import OAuth2Error
    from authlib.oauth2.rfc6749 import ClientMixin, grants
    from authlib.oauth2.rfc7636 import CodeChallenge
    from authlib.oidc.core import AuthorizationCodeMixin, UserInfo
    from authlib.oidc.core.grants import OpenIDCode
    from flask import Flask, Response, jsonify, redirect, request
    from joserfc import jwt
    from joserfc.jwk import KeySet, OctKey, RSAKey

    app = Flask(__name__)
    keys = KeySet([RSAKey.generate_key(2048, {"kid": "one", "use": "sig", "alg": "RS256"})])
    other = RSAKey.generate_key(2048, {"kid": "one", "use": "sig", "alg": "RS256"})
    codes: dict[str, Any] = {}
    seen: list[str] = []
    registered: set[str] = set()
    behaviour: dict[str, Any] = {}

    class Client(ClientMixin):  # type: ignore[misc]
        id_token_signed_response_alg = "RS256"

        def get_client_id(self) -> str:
            return CLIENT_ID

        def get_default_redirect_uri(self) -> None:
            return None

        def get_allowed_scope(self, scope: str) -> str:
            return scope

        def check_redirect_uri(self, redirect_uri: str) -> bool:
            return redirect_uri in registered

        def check_client_secret(self, client_secret: str) -> bool:
            return client_secret == CLIENT_SECRET

        def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
            return method == behaviour.get("auth_method", "client_secret_basic")

        def check_response_type(self, response_type: str) -> bool:
            return response_type == "code"

        def check_grant_type(self, grant_type: str) -> bool:
            return grant_type == "authorization_code"

    class Code(AuthorizationCodeMixin):  # type: ignore[misc]
        def __init__(self, code: str, asked: Any) -> None:
            self.code = code
            self.redirect_uri = asked.redirect_uri
            self.scope = asked.scope
            self.nonce = asked.data.get("nonce")
            self.code_challenge = asked.data.get("code_challenge")
            self.code_challenge_method = asked.data.get("code_challenge_method")
            # whom it was issued for, whatever is said later
            self.claims = dict(behaviour.get("claims", {}))

        def get_redirect_uri(self) -> str:
            return str(self.redirect_uri)

        def get_scope(self) -> str:
            return str(self.scope)

        def get_nonce(self) -> str | None:
            return behaviour.get("nonce", self.nonce)

        def get_auth_time(self) -> int:
            return int(time.time())

        def get_acr(self) -> str:
            return "0"

        def get_amr(self) -> list[str]:
            return ["pwd"]

    class CodeGrant(grants.AuthorizationCodeGrant):  # type: ignore[misc]
        def save_authorization_code(self, code: str, request: Any) -> None:
            assert request.payload.data.get("code_challenge_method") == "S256"
            codes[code] = Code(code, request.payload)

        def query_authorization_code(self, code: str, client: Any) -> Any:
            return codes.get(code)

        def delete_authorization_code(self, authorization_code: Any) -> None:
            del codes[authorization_code.code]

        def authenticate_user(self, authorization_code: Any) -> Any:
            return authorization_code.claims

    class Identity(OpenIDCode):  # type: ignore[misc]
        def exists_nonce(self, nonce: str, request: Any) -> bool:
            return False

        def resolve_client_private_key(self, client: Any) -> Any:
            return keys

        def get_client_claims(self, client: Any) -> dict[str, Any]:
            return {"iss": issuer}

        def generate_user_info(self, user: Any, scope: str) -> Any:
            return UserInfo(user)

    class Challenge(CodeChallenge):  # type: ignore[misc]
        SUPPORTED_CODE_CHALLENGE_METHOD = ("S256",)

    server = AuthorizationServer(app, lambda _: Client(), lambda *_: None)
    server.register_grant(CodeGrant, [Challenge(required=True), Identity(require_nonce=True)])

    @app.before_request
    def note() -> Any:
        if request.path not in ("/behave", "/register", "/seen"):
            seen.append(request.path)
            time.sleep(behaviour.get("slow_s", {}).get(request.path, 0))
            if request.path in behaviour.get("redirects", []):
                return redirect(f"{issuer}/elsewhere")
            if request.path in behaviour.get("floods", []):
                return Response(b"x" * (3 * 1024**2), mimetype="application/json")
            if request.path in behaviour.get("nests", []):
                return Response(b"[" * 300_000, mimetype="application/json")
            if request.path in behaviour.get("breaks", []):
                return Response(status=behaviour.get("status", 500))
        return None

    @app.get("/.well-known/openid-configuration")
    def discovery() -> Any:
        return jsonify(
            {
                "issuer": issuer,
                "authorization_endpoint": f"{issuer}/authorize",
                "token_endpoint": f"{issuer}/token",
                "jwks_uri": f"{issuer}/keys",
                "response_types_supported": ["code"],
                "id_token_signing_alg_values_supported": ["RS256", "HS256", "none"],
                "token_endpoint_auth_methods_supported": ["client_secret_basic"],
                "code_challenge_methods_supported": ["S256"],
            }
            | behaviour.get("metadata", {})
        )

    @app.get("/keys")
    def jwks() -> Any:
        return jsonify(keys.as_dict(private=False))

    @app.get("/authorize")
    def authorize() -> Any:
        if "sends_on" in behaviour:  # to another's provider, in the name of another sign-on
            query = {"state": request.args["state"]} | behaviour["query"]
            return redirect(f"{behaviour['sends_on']}?{urlencode(query)}")
        try:
            grant = server.get_consent_grant(end_user={"sub": "x"})
        except OAuth2Error as error:  # nothing to be sent back for: the address may be anybody's
            return jsonify({"error": error.error}), 400
        return server.create_authorization_response(grant_user={"sub": "x"}, grant=grant)

    @app.post("/token")
    def token() -> Any:
        answer = server.create_token_response()
        body = answer.get_json()
        if "id_token" in body:
            body = forge(body)
        return jsonify(body), answer.status_code

    def forge(body: dict[str, Any]) -> dict[str, Any]:
        """Change an ID token as the behaviour says; sign it anew."""
        decoded = jwt.decode(body["id_token"], keys)
        claims = decoded.claims | behaviour.get("forged", {})
        claims = {name: value for name, value in claims.items() if value is not None}
        match behaviour.get("signed", "properly"):
            case "none":
                body["id_token"] = jwt.encode({"alg": "none"}, claims, "", ["none"])
            case "secret":  # by what both sides know, as HS256 would have it
                key = OctKey.import_key(CLIENT_SECRET.encode())
                body["id_token"] = jwt.encode({"alg": "HS256"}, claims, key, ["HS256"])
            case "public":  # by the public key as if it were a shared secret
                body["id_token"] = confused(claims, keys.keys[0].as_pem(private=False))
            case "other":
                head = {"alg": "RS256", "kid": "one"}
                body["id_token"] = jwt.encode(head, claims, other, ["RS256"])
            case "missing":
                del body["id_token"]
            case _:
                head = {"alg": "RS256", "kid": "one"}
                body["id_token"] = jwt.encode(head, claims, keys, ["RS256"])
        return body

    @app.post("/behave")
    def behave() -> Any:
        behaviour.clear()
        behaviour.update(request.get_json())
        seen.clear()
        return "", 204

    @app.post("/register")
    def register() -> Any:
        registered.add(request.get_json())
        return "", 204

    @app.get("/seen")
    def requests_seen() -> Any:
        return jsonify(seen)

    return app


def confused(claims: dict[str, Any], public_key: bytes) -> str:
    """Return a token signed with HS256 by a public key; by hand, libraries refuse to."""
    parts = [{"alg": "HS256", "kid": "one"}, claims]
    message = ".".join(encode(json.dumps(part).encode()) for part in parts)
    return f"{message}.{encode(hmac.digest(public_key, message.encode(), 'sha256'))}"


def encode(raw: bytes) -> str:
    """Return unpadded URL-safe base64."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def main() -> None:
    """Serve until the process is ended; the first line says where."""

    from werkzeug.serving import make_server

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = make_server("127.0.0.1", 0, lambda e, s: app(e, s), threaded=True)
    issuer = f"http://127.0.0.1:{server.server_port}"
    app = make_app(issuer)
    print(issuer, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
