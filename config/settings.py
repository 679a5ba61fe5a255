"""All settings. The environment is read here and nowhere else, through `config.env`."""

from __future__ import annotations

import contextlib
import secrets
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from config import attachments, env

BASE_DIR = env.BASE_DIR
#: Everything that running makes on this machine: the embedded cluster, vectors, attachments, the demo's mail.
LOCAL_DIR = env.local_dir()

DEMO = env.flag("DEMO", False)
DEBUG = env.flag("DEBUG", False)
SITE_URL = env.text("SITE_URL", "http://127.0.0.1:8000")

# --- secrets -------------------------------------------------------------------------------------------------------
EMBEDDED_DATABASE = not env.is_set("DATABASE_URL")


def _local_secret(name: str) -> str:
    """Without a service there is nobody else to keep a secret: it is made once and stays in the local folder."""
    kept = LOCAL_DIR / "secrets" / name
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if name == "field_encryption_key":
            from cryptography.fernet import Fernet

            made = Fernet.generate_key().decode()
        else:
            made = secrets.token_urlsafe(50)
        # Whole or not at all: a half-written secret would be taken for the secret ever after. The first of two wins.
        unfinished = kept.with_name(f"{name}.{secrets.token_hex(8)}")
        unfinished.touch(mode=0o600)
        unfinished.write_text(made)
        with contextlib.suppress(FileExistsError):
            kept.hardlink_to(unfinished)
        unfinished.unlink()
    return kept.read_text().strip()


SECRET_KEY = env.text("SECRET_KEY", "")
FIELD_ENCRYPTION_KEYS = env.words("FIELD_ENCRYPTION_KEYS")
if EMBEDDED_DATABASE:
    SECRET_KEY = SECRET_KEY or _local_secret("secret_key")
    FIELD_ENCRYPTION_KEYS = FIELD_ENCRYPTION_KEYS or [_local_secret("field_encryption_key")]
if not SECRET_KEY:
    raise ImproperlyConfigured("SECRET_KEY is not set. Set it to 50 or more random characters and keep it secret.")
if not FIELD_ENCRYPTION_KEYS:
    raise ImproperlyConfigured(
        "FIELD_ENCRYPTION_KEYS is not set. Set it to a Fernet key (32 random bytes, url-safe base64); "
        "it encrypts channel credentials. Several keys are separated by commas, the current one first."
    )
SECRET_KEY_FALLBACKS = env.words("SECRET_KEY_FALLBACKS")
#: Where signed heads of the audit trail are copied to, outside the database (conversations/trail/anchors.py).
AUDIT_ANCHORS = env.words("AUDIT_ANCHORS") or ([f"file:{LOCAL_DIR / 'anchors'}"] if EMBEDDED_DATABASE else [])

# --- applications --------------------------------------------------------------------------------------------------
OIDC_SERVER_URL = env.text("OIDC_SERVER_URL", "")
INSTALLED_APPS = [
    "conversations.apps.ConversationsConfig",
    "ingestion.apps.IngestionConfig",
    "drafts.apps.DraftsConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.postgres",
    "django.contrib.humanize",
    "config.apps.CountersignAdminConfig",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django_htmx",
    "template_partials.apps.SimpleAppConfig",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.socialaccount",
    # Its client alone is 5 MiB of a web process.
    *(["allauth.socialaccount.providers.openid_connect"] if OIDC_SERVER_URL else []),
    "procrastinate.contrib.django",
    "ninja",
]
AUTH_USER_MODEL = "conversations.User"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
ROOT_URLCONF = "config.urls"
ASGI_APPLICATION = "config.asgi.application"
WSGI_APPLICATION = "config.wsgi.application"

MIDDLEWARE = [
    "conversations.web.health.HealthMiddleware",
    "conversations.web.metrics.MetricsMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "conversations.web.csp.ContentSecurityPolicyMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "conversations.web.no_store.NoStoreMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "conversations.people.signin.LimitsMiddleware",
    "conversations.tenancy.TenantMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "OPTIONS": {
            # Our own pages are written for people and loaded small; libraries' are loaded as they are.
            "loaders": [
                (
                    "template_partials.loader.Loader",
                    [
                        (
                            "django.template.loaders.cached.Loader",
                            ["conversations.web.compact.Loader", "django.template.loaders.app_directories.Loader"],
                        )
                    ],
                )
            ],
            "builtins": ["conversations.templatetags.bidi", "conversations.templatetags.icons"],
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "conversations.web.csp.csp",
                "conversations.tenancy.tenant",
            ],
        },
    }
]

# --- database ------------------------------------------------------------------------------------------------------
# `default` is the runtime role app_rw; `owner` (app_owner) migrates and nothing else. See docs/decisions/0002.
if EMBEDDED_DATABASE:
    from config.postgres import embedded

    _cluster = embedded(LOCAL_DIR / "postgres")
    _default, _owner = (
        {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": "countersign",
            "USER": role,
            "HOST": str(_cluster.socket_dir),
        }
        for role in ("app_rw", "app_owner")
    )
else:
    _default = env.database("DATABASE_URL", env.text("DATABASE_URL"))
    _owner = env.database("DATABASE_OWNER_URL", env.text("DATABASE_OWNER_URL", "") or env.text("DATABASE_URL"))
env.text("DATABASE_URL", "")
env.text("DATABASE_OWNER_URL", "")
_connection: dict[str, Any] = {
    "CONN_MAX_AGE": env.number("DATABASE_CONN_MAX_AGE", 60),
    "CONN_HEALTH_CHECKS": True,
    # A transaction-mode PgBouncer cannot keep a cursor between statements.
    "DISABLE_SERVER_SIDE_CURSORS": True,
    "OPTIONS": {
        "options": "-c lock_timeout=10s -c statement_timeout=60s",
        "application_name": "countersign",
        # A database that is away is noticed within two seconds: refused, silent, or gone with the cable pulled.
        "connect_timeout": 2,
        "tcp_user_timeout": 2000,  # milliseconds
        "keepalives_idle": 5,
        "keepalives_interval": 1,
        "keepalives_count": 2,
    },
}
_of_owner: dict[str, Any] = {**_connection, "OPTIONS": {"application_name": "countersign-owner"}}
# What a URL says of its connection (`?sslmode=`, `?target_session_attrs=`) goes to libpq, before what we say.
_servers: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("default", _default, _connection),
    ("owner", _owner, _of_owner),
]
DATABASES: dict[str, dict[str, Any]] = {
    alias: {**there, **ours, "OPTIONS": {**ours["OPTIONS"], **there.get("OPTIONS", {})}}
    for alias, there, ours in _servers
}
# Requests that one web process answers at a time, each thread with a database connection of its own (config/asgi.py).
WEB_THREADS = env.number("WEB_THREADS", 4, low=1)
# Open pages are told of news over one LISTEN connection a process: past a transaction-mode PgBouncer, or "off".
_listen = env.text("LISTEN_DATABASE_URL", "")
LISTEN = _listen != "off"
LISTEN_DATABASE = env.database("LISTEN_DATABASE_URL", _listen) if LISTEN and _listen else None
# No ATOMIC_REQUESTS: TenantMiddleware opens the request's one transaction (docs/decisions/0003).
SESSION_ENGINE = "conversations.people.web_sessions"

# "process" is each process's own, for figures that every page asks for (docs/decisions/0031).
CACHES = {
    "default": {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "django_cache"},
    "process": {
        "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
        "LOCATION": "process",
        "OPTIONS": {"MAX_ENTRIES": 2000},
    },
}

# --- log-in --------------------------------------------------------------------------------------------------------
AUTHENTICATION_BACKENDS = ["conversations.people.proofs.AddressBackend"]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS: list[dict[str, Any]] = [
    {"NAME": f"django.contrib.auth.password_validation.{name}", "OPTIONS": options}
    for name, options in (
        ("UserAttributeSimilarityValidator", {"user_attributes": ("email", "display_name")}),
        ("MinimumLengthValidator", {"min_length": 12}),
        ("CommonPasswordValidator", {}),
        ("NumericPasswordValidator", {}),
    )
]
PASSWORD_RESET_TIMEOUT = 60 * 60
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/queue/"
LOGOUT_REDIRECT_URL = "/accounts/login/"
ACCOUNT_ADAPTER = "conversations.people.members.InvitedOnlyAdapter"
SOCIALACCOUNT_ADAPTER = "conversations.people.members.InvitedOnlySocialAdapter"
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_USER_MODEL_EMAIL_FIELD = "email"
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*", "password2*"]
# An address counts only when it is proven (docs/decisions/0021). Where no mail can be sent, conversations.people.proofs asks for none.
ACCOUNT_EMAIL_VERIFICATION = "mandatory"
ACCOUNT_EMAIL_VERIFICATION_BY_CODE_ENABLED = True
ACCOUNT_EMAIL_VERIFICATION_BY_CODE_TIMEOUT = 15 * 60
ACCOUNT_EMAIL_VERIFICATION_BY_CODE_MAX_ATTEMPTS = 5
ACCOUNT_EMAIL_VERIFICATION_SUPPORTS_RESEND = True
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
ACCOUNT_EMAIL_UNKNOWN_ACCOUNTS = False  # to an unknown address goes nothing
ACCOUNT_PREVENT_ENUMERATION = True
ACCOUNT_MAX_EMAIL_ADDRESSES = 10
ACCOUNT_FORMS = {"reset_password": "conversations.people.proofs.ResetForm"}
SILENCED_SYSTEM_CHECKS = ["auth.W004"]  # User.email is a name to sign in with, which our own backend resolves
ACCOUNT_LOGOUT_ON_GET = False
# A session alone, stolen or left open, adds no address: whoever proves one could have a new password mailed there.
ACCOUNT_REAUTHENTICATION_REQUIRED = True
ACCOUNT_SESSION_REMEMBER = True
# Tries are counted by conversations.limits: allauth's own limits live in the cache, where other keys push them out.
ACCOUNT_RATE_LIMITS: dict[str, str] | bool = False
MFA_RATE_LIMITS: dict[str, str] | bool = False
MFA_ADAPTER = "conversations.people.signin.EncryptedFactors"
MFA_FORMS = {
    "authenticate": "conversations.people.signin.CodeForm",
    "reauthenticate": "conversations.people.signin.CodeAgainForm",
}
#: Platform operators (superusers) can do nothing before they have set up a second factor.
OPERATORS_NEED_FACTOR = env.flag("OPERATORS_NEED_FACTOR", False)
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = DEBUG or DEMO
SOCIALACCOUNT_LOGIN_ON_GET = False
if OIDC_SERVER_URL:
    SOCIALACCOUNT_PROVIDERS = {
        "openid_connect": {
            "OAUTH_PKCE_ENABLED": True,
            "APPS": [
                {
                    "provider_id": "company",
                    "name": env.text("OIDC_NAME", "Company account"),
                    "client_id": env.text("OIDC_CLIENT_ID", ""),
                    "secret": env.text("OIDC_CLIENT_SECRET", ""),
                    "settings": {"server_url": OIDC_SERVER_URL},
                }
            ],
        }
    }
else:
    for _name, _fallback in (("OIDC_NAME", "Company account"), ("OIDC_CLIENT_ID", ""), ("OIDC_CLIENT_SECRET", "")):
        env.text(_name, _fallback)

# --- web -----------------------------------------------------------------------------------------------------------
ALLOWED_HOSTS = env.words("ALLOWED_HOSTS", "127.0.0.1,localhost,[::1]")
CSRF_TRUSTED_ORIGINS = env.words("CSRF_TRUSTED_ORIGINS")
HTTPS = env.flag("HTTPS", SITE_URL.startswith("https://"))
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = HTTPS
SESSION_COOKIE_NAME = "__Host-session" if HTTPS else "session"
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS
BEHIND_PROXY = env.flag("BEHIND_PROXY", False)
#: How many proxies of one's own stand in front, each of which appends its peer to X-Forwarded-For. 0: the header is not read.
TRUSTED_PROXIES = ALLAUTH_TRUSTED_PROXY_COUNT = env.number("TRUSTED_PROXIES", 0)
DEVICE_COOKIE_NAME = "__Host-device" if HTTPS else "device"
if BEHIND_PROXY:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
SESSION_COOKIE_AGE = 60 * 60 * 12
SESSION_COOKIE_SAMESITE = "Lax"
# Django 6 knows this setting itself; on 5.2 conversations.web.csp reads it.
SECURE_CSP: dict[str, list[str]] = {
    "default-src": ["'self'"],
    "script-src": ["'self'", "'nonce'"],
    "style-src": ["'self'"],
    "img-src": ["'self'", "data:"],
    "connect-src": ["'self'"],
    "frame-src": ["'self'"],
    "object-src": ["'none'"],
    "base-uri": ["'none'"],
    "form-action": ["'self'"],
    "frame-ancestors": ["'none'"],
}
DATA_UPLOAD_MAX_MEMORY_SIZE = env.number("API_MAX_BODY_BYTES", 1_048_576, low=1024)
MAIL_MAX_BYTES = env.number("MAIL_MAX_BYTES", 52_428_800)
DATA_UPLOAD_MAX_NUMBER_FIELDS = 2000

STATIC_URL = "static/"
STATIC_ROOT = LOCAL_DIR / "static"
if EMBEDDED_DATABASE:
    STATIC_ROOT.mkdir(parents=True, exist_ok=True)
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    "attachments": attachments.store(LOCAL_DIR),
}
#: The dotted path of a conversations.storage.scanner.Scanner, asked before anybody opens a file. Empty: nobody is asked.
SCAN_FILE = env.text("SCAN_FILE", "")
#: For conversations.storage.clamav.scan: host:port, or the path of clamd's socket.
CLAMD_ADDRESS = env.text("CLAMD_ADDRESS", "127.0.0.1:3310")
CLAMD_TIMEOUT_SECONDS = env.number("CLAMD_TIMEOUT_SECONDS", 60.0, low=0.1)
#: How long a link to a file in a bucket is good. Whoever has it needs no other right.
ATTACHMENTS_LINK_SECONDS = env.number("ATTACHMENTS_LINK_SECONDS", 60, low=1)
if not (DEBUG or DEMO):
    STORAGES["staticfiles"] = {"BACKEND": "config.static.HashedStaticFiles"}
WHITENOISE_USE_FINDERS = DEBUG or DEMO
WHITENOISE_AUTOREFRESH = DEBUG

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_I18N = True
USE_TZ = True

# --- drafting and knowledge ----------------------------------------------------------------------------------------
DRAFTER = env.text("DRAFTER", "offline", choices=("offline", "openai", "anthropic"))
RERANKER = env.text("RERANKER", "off", choices=("off", "model"))  # by the drafter's model; the offline one has none
DRAFTER_URL = env.text("DRAFTER_URL", "")
DRAFTER_MODEL = env.text("DRAFTER_MODEL", "")
DRAFTER_KEY = env.text("DRAFTER_KEY", "")
#: How an OpenAI-compatible server is asked for the parts of a reply: by its JSON schema (response_format), or as a tool call.
DRAFTER_OUTPUT = env.text("DRAFTER_OUTPUT", "schema", choices=("schema", "tool"))
#: How freely the model chooses its words, 0 to 2. None: as its provider sets it (some models take no other).
DRAFTER_TEMPERATURE = env.number("DRAFTER_TEMPERATURE", 0.0) if env.text("DRAFTER_TEMPERATURE", "") else None
DRAFTER_TIMEOUT_SECONDS = env.number("DRAFTER_TIMEOUT_SECONDS", 60.0, low=1)
#: What the model's provider asks for a million tokens in and out, in the currency you count in. 0: costs are not counted.
DRAFTER_PRICE_IN = env.number("DRAFTER_PRICE_IN", 0.0, low=0)
DRAFTER_PRICE_OUT = env.number("DRAFTER_PRICE_OUT", 0.0, low=0)
EMBEDDINGS_URL = env.text("EMBEDDINGS_URL", "")
EMBEDDINGS_MODEL = env.text("EMBEDDINGS_MODEL", "")
EMBEDDINGS_KEY = env.text("EMBEDDINGS_KEY", "")
EMBEDDINGS_THREADS = env.number("EMBEDDINGS_THREADS", 1, low=1)
# Read when numpy is imported first. Its threads spin: on busy cores the small equations of `recognise` took twenty times as long.
env.give("OPENBLAS_NUM_THREADS", str(EMBEDDINGS_THREADS))
CHROMA_URL = env.text("CHROMA_URL", "")
#: Networks of one's own that crawls may reach, where a site allows it too: e.g. 10.2.0.0/16. Empty: the internet only.
CRAWL_NETWORKS = env.networks("CRAWL_NETWORKS")
#: Networks of one's own in which an account's channel may name its mail server. Empty: the internet only.
CHANNEL_NETWORKS = env.networks("CHANNEL_NETWORKS")
#: Networks of one's own that outgoing webhooks may be sent into, there also by http. Empty: the internet only, by https.
WEBHOOK_NETWORKS = env.networks("WEBHOOK_NETWORKS")
#: A folder: each night's corrections go there as JSON lines, for whoever trains on them. Empty: nowhere.
CORRECTIONS_DIR = env.text("CORRECTIONS_DIR", "")

# --- mail out ------------------------------------------------------------------------------------------------------
#: The key of our signed Message-IDs: a reply joins a conversation only by an id that we signed.
MESSAGE_ID_KEY = (env.text("MESSAGE_ID_KEY", "") or SECRET_KEY).encode()
MAIL_DOMAIN = env.text("MAIL_DOMAIN", "countersign.localhost")
SMTP_TIMEOUT_SECONDS = env.number("SMTP_TIMEOUT_SECONDS", 20.0, low=0.1)
#: For one step with a mailbox that is fetched from.
IMAP_TIMEOUT_SECONDS = env.number("IMAP_TIMEOUT_SECONDS", 20.0, low=0.1)
#: All mail goes here instead of to the channel's own server, whatever a channel says. The demo's sink.
SMTP_OVERRIDE = env.text("SMTP_OVERRIDE", "")
#: All calls of vendors' APIs (Slack and the like) go here, unencrypted, instead of to the vendors. The tests' stand-in of them.
VENDOR_OVERRIDE = env.text("VENDOR_OVERRIDE", "")
DELIVERY_LEASE_SECONDS = env.number("DELIVERY_LEASE_SECONDS", 120.0, low=0.1)
DELIVERY_MAX_ATTEMPTS = env.number("DELIVERY_MAX_ATTEMPTS", 8, low=1)
# Replies of one channel that are handed over at the same time: one that hangs holds so many workers and not all.
CHANNEL_PARALLEL = env.number("CHANNEL_PARALLEL", 2, low=1)
INBOUND_RAW_DAYS = env.number("INBOUND_RAW_DAYS", 90, low=1)
#: Names a point at which the process kills itself; for the crash tests, refused outside of them.
FAILPOINT = env.text("FAILPOINT", "")
DEMO_MAIL_DIR = Path(env.text("DEMO_MAIL_DIR", "") or LOCAL_DIR / "mail")
EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
#: The server for the product's own mail (invitations, codes, resets). Empty: none can be sent, and nothing waits for it.
EMAIL_HOST = env.text("EMAIL_HOST", "")
EMAIL_PORT = env.number("EMAIL_PORT", 25)
EMAIL_HOST_USER = env.text("EMAIL_HOST_USER", "")
EMAIL_HOST_PASSWORD = env.text("EMAIL_HOST_PASSWORD", "")
EMAIL_USE_TLS = env.flag("EMAIL_USE_TLS", False)
EMAIL_TIMEOUT = SMTP_TIMEOUT_SECONDS
DEFAULT_FROM_EMAIL = env.text("DEFAULT_FROM_EMAIL", "countersign@localhost")

# --- jobs and logs -------------------------------------------------------------------------------------------------
PROCRASTINATE_AUTODISCOVER_MODULE_NAME = "tasks"
#: Whoever scrapes /metrics shows it as a bearer. Empty: there is no such page.
METRICS_TOKEN = env.text("METRICS_TOKEN", "")
PROCRASTINATE_ON_APP_READY = "conversations.workers.ready"
#: An OpenTelemetry collector (OTLP over HTTP). Empty: no traces, and nothing of OpenTelemetry is imported.
TRACES_TO = env.text("OTEL_EXPORTER_OTLP_ENDPOINT", "")
#: What the collector wants to be shown, as name=value after commas.
TRACES_HEADERS = dict(each.split("=", 1) for each in env.words("OTEL_EXPORTER_OTLP_HEADERS") if "=" in each)
LOG_LEVEL = env.text("LOG_LEVEL", "INFO", choices=("DEBUG", "INFO", "WARNING", "ERROR"))
#: "json": one object a line, with the account and the trace of the request.
LOG_FORMAT = env.text("LOG_FORMAT", "line", choices=("line", "json"))
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"},
        "json": {"()": "conversations.web.logs.JsonLines"},
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": LOG_FORMAT}},
    "root": {"handlers": ["console"], "level": LOG_LEVEL},
    "loggers": {
        "procrastinate": {"level": "WARNING"},
        "httpx2": {"level": "WARNING"},
        "urllib3": {"level": "WARNING"},  # below that it writes down addresses
        "flufl.bounce": {"level": "WARNING"},
        "granian": {"level": "INFO"},
    },
}
