//! Forgeries of what a token says: rightly signed tokens that are over, for somebody else, or say it in a form that a
//! careless reader skips.

use serde_json::{Value, json};

use super::{Draft, Forgery, Known, ahead, past};
use crate::identity::{Claims, Issuer, KeyError};
use crate::target::TokenStyle::{Clerk, Cognito};

const LIFE: Known = Known::high(613, "9.2.1");
const AUDIENCE: Known = Known::high(345, "9.2.3");
const ISSUER: Known = Known::high(345, "9.1.3");
const SUBJECT: Known = Known::high(287, "9.2.2");
const PURPOSE: Known = Known::high(345, "9.2.2");
const TYPE: Known = Known::medium(345, "9.2.2");

pub(super) const ROWS: &[Forgery] = &[
    Forgery::new("expired", "expired an hour ago", LIFE, |issuer, claims| {
        with(issuer, claims, "exp", past())
    }),
    Forgery::new("not-yet-valid", "nbf an hour ahead", LIFE, |issuer, claims| {
        with(issuer, claims, "nbf", ahead())
    }),
    Forgery::new("no-expiry", "no exp claim", LIFE, |issuer, claims| without(issuer, claims, "exp")),
    Forgery::new("exp-null", "exp null", LIFE, |issuer, claims| with(issuer, claims, "exp", Value::Null)),
    Forgery::new("exp-as-text", "exp as text, over for an hour", LIFE, |issuer, claims| {
        with(issuer, claims, "exp", past().to_string())
    }),
    Forgery::new(
        "exp-as-text-ahead",
        "exp as text, where a number must stand",
        Known::low(20, "9.2.1"),
        |issuer, claims| with(issuer, claims, "exp", ahead().to_string()),
    ),
    Forgery::new("exp-as-float", "exp with a fraction, over for an hour", LIFE, |issuer, claims| {
        let over: Value = serde_json::from_str(&format!("{}.5", past())).unwrap_or(Value::Null);
        with(issuer, claims, "exp", over)
    }),
    Forgery::new("exp-as-array", "exp as an array", LIFE, |issuer, claims| {
        with(issuer, claims, "exp", json!([ahead()]))
    }),
    Forgery::new("exp-as-truth", "exp true", LIFE, |issuer, claims| with(issuer, claims, "exp", true)),
    Forgery::new("exp-negative", "exp before 1970", LIFE, |issuer, claims| with(issuer, claims, "exp", -1)),
    Forgery::new("exp-zero", "exp 0, which some take for none", LIFE, |issuer, claims| {
        with(issuer, claims, "exp", 0)
    }),
    Forgery::new(
        "exp-at-the-last-signed",
        "exp one that overflows when leeway is added",
        LIFE,
        |issuer, claims| with(issuer, claims, "exp", i64::MAX),
    ),
    Forgery::new(
        "exp-at-the-last-unsigned",
        "exp one that turns negative in 64 bits",
        LIFE,
        |issuer, claims| with(issuer, claims, "exp", u64::MAX),
    ),
    Forgery::new("exp-beyond-measure", "exp 1e300", LIFE, |issuer, claims| {
        with(issuer, claims, "exp", 1e300)
    }),
    Forgery::new("nbf-as-text", "nbf as text, an hour ahead", LIFE, |issuer, claims| {
        with(issuer, claims, "nbf", ahead().to_string())
    }),
    Forgery::new(
        "nbf-at-the-last-unsigned",
        "nbf one that turns negative in 64 bits",
        LIFE,
        |issuer, claims| with(issuer, claims, "nbf", u64::MAX),
    ),
    Forgery::new("wrong-client", "issued for another client", AUDIENCE, |issuer, claims| {
        with(issuer, claims, "client_id", "another-client")
    })
    .only(Cognito),
    Forgery::new("no-client", "issued for no client", AUDIENCE, |issuer, claims| {
        without(issuer, claims, "client_id")
    })
    .only(Cognito),
    Forgery::new("client-as-object", "a client that is no text", AUDIENCE, |issuer, claims| {
        let client = json!({ "id": issuer.client_id });
        with(issuer, claims, "client_id", client)
    })
    .only(Cognito),
    Forgery::new(
        "client-in-capitals",
        "issued for a client whose id differs in case",
        AUDIENCE,
        |issuer, claims| {
            let client = issuer.client_id.to_uppercase();
            with(issuer, claims, "client_id", client)
        },
    )
    .only(Cognito),
    Forgery::new(
        "wrong-audience",
        "for another audience, if by the same client",
        AUDIENCE,
        |issuer, claims| with(issuer, claims, "aud", "another-service"),
    )
    .only(Cognito),
    Forgery::new("audience-with-a-stranger", "for this client and a stranger", AUDIENCE, |issuer, claims| {
        let audience = json!([issuer.client_id, "another-service"]);
        with(issuer, claims, "aud", audience)
    })
    .only(Cognito),
    Forgery::new("audience-of-nobody", "for an empty list of audiences", AUDIENCE, |issuer, claims| {
        with(issuer, claims, "aud", json!([]))
    })
    .only(Cognito),
    Forgery::new("wrong-party", "issued to another party", AUDIENCE, |issuer, claims| {
        with(issuer, claims, "azp", "https://another-party.invalid")
    })
    .only(Clerk),
    Forgery::new("no-party", "issued to no party", AUDIENCE, |issuer, claims| without(issuer, claims, "azp"))
        .only(Clerk),
    Forgery::new(
        "party-with-a-stranger",
        "issued to this party and a stranger",
        AUDIENCE,
        |issuer, claims| {
            let parties = json!([issuer.client_id, "https://another-party.invalid"]);
            with(issuer, claims, "azp", parties)
        },
    )
    .only(Clerk),
    Forgery::new(
        "party-by-prefix",
        "issued to a party whose name begins alike",
        AUDIENCE,
        |issuer, claims| {
            let party = format!("{}.attacker.invalid", issuer.client_id);
            with(issuer, claims, "azp", party)
        },
    )
    .only(Clerk),
    Forgery::new("wrong-issuer", "another issuer's URL in iss", ISSUER, |issuer, claims| {
        with(issuer, claims, "iss", "https://another-issuer.invalid")
    }),
    Forgery::new("no-issuer", "no iss claim", ISSUER, |issuer, claims| without(issuer, claims, "iss")),
    Forgery::new("issuer-with-slash", "an issuer with a slash at its end", ISSUER, |issuer, claims| {
        let url = format!("{}/", issuer.url);
        with(issuer, claims, "iss", url)
    }),
    Forgery::new(
        "issuer-of-another-environment",
        "the issuer of another environment",
        ISSUER,
        |issuer, claims| {
            let url = format!("{}/staging", issuer.url);
            with(issuer, claims, "iss", url)
        },
    ),
    Forgery::new("issuer-by-prefix", "an issuer whose URL begins alike", ISSUER, |issuer, claims| {
        let url = format!("{}.attacker.invalid", issuer.url);
        with(issuer, claims, "iss", url)
    }),
    Forgery::new("issuer-in-capitals", "an issuer that differs in case", ISSUER, |issuer, claims| {
        let url = issuer.url.to_uppercase();
        with(issuer, claims, "iss", url)
    }),
    Forgery::new(
        "issuer-with-a-stranger",
        "two issuers, one of them the right one",
        ISSUER,
        |issuer, claims| {
            let issuers = json!([issuer.url, "https://another-issuer.invalid"]);
            with(issuer, claims, "iss", issuers)
        },
    ),
    Forgery::new("no-subject", "no sub claim", SUBJECT, |issuer, claims| without(issuer, claims, "sub")),
    Forgery::new("subject-empty", "an empty sub", SUBJECT, |issuer, claims| with(issuer, claims, "sub", "")),
    Forgery::new("subject-null", "sub null", SUBJECT, |issuer, claims| {
        with(issuer, claims, "sub", Value::Null)
    }),
    Forgery::new("subject-as-number", "a number for a sub", SUBJECT, |issuer, claims| {
        with(issuer, claims, "sub", 7)
    }),
    Forgery::new("subject-as-truth", "sub true", SUBJECT, |issuer, claims| with(issuer, claims, "sub", true)),
    Forgery::new("subject-as-array", "two people in one sub", SUBJECT, |issuer, claims| {
        let subjects = json!([claims.get("sub"), "somebody-else"]);
        with(issuer, claims, "sub", subjects)
    }),
    Forgery::new(
        "subject-as-object",
        "an object for a sub, which a store may take for a query",
        SUBJECT,
        |issuer, claims| with(issuer, claims, "sub", json!({ "$ne": null })),
    ),
    Forgery::new("id-token", "an id token in the place of an access token", PURPOSE, |issuer, claims| {
        with(issuer, claims, "token_use", "id")
    })
    .only(Cognito),
    Forgery::new(
        "refresh-token",
        "a refresh token in the place of an access token",
        PURPOSE,
        |issuer, claims| with(issuer, claims, "token_use", "refresh"),
    )
    .only(Cognito),
    Forgery::new("no-token-use", "a token that does not say what it is for", PURPOSE, |issuer, claims| {
        without(issuer, claims, "token_use")
    })
    .only(Cognito),
    Forgery::new("token-use-as-array", "a token for everything at once", PURPOSE, |issuer, claims| {
        with(issuer, claims, "token_use", json!(["id", "access"]))
    })
    .only(Cognito),
    Forgery::new(
        "oidc-id-token",
        "an id token in the place of a session token",
        PURPOSE,
        |issuer, claims| {
            let client = issuer.client_id.clone();
            Draft::of(issuer, claims)
                .claimless("sid")
                .claimless("azp")
                .claim("aud", client)
                .claim("nonce", "n-0S6_WzA2Mj")
                .rightly()
        },
    )
    .only(Clerk),
    Forgery::new("no-session", "a token of no session", PURPOSE, |issuer, claims| {
        without(issuer, claims, "sid")
    })
    .only(Clerk),
    Forgery::new("session-as-number", "a session that is no text", PURPOSE, |issuer, claims| {
        with(issuer, claims, "sid", 7)
    })
    .only(Clerk),
    Forgery::new("typ-of-an-id-token", "typ id+jwt", TYPE, |issuer, claims| typed(issuer, claims, "id+jwt")),
    Forgery::new("typ-of-a-refresh-token", "typ refresh+jwt", TYPE, |issuer, claims| {
        typed(issuer, claims, "refresh+jwt")
    }),
    Forgery::new("typ-of-a-logout-token", "typ logout+jwt", TYPE, |issuer, claims| {
        typed(issuer, claims, "logout+jwt")
    }),
    Forgery::new("typ-of-a-proof", "typ dpop+jwt", TYPE, |issuer, claims| typed(issuer, claims, "dpop+jwt")),
    Forgery::new("typ-as-number", "a typ that is no text", TYPE, |issuer, claims| typed(issuer, claims, 7)),
];

type Made = Result<super::Forged, KeyError>;

fn with(issuer: &Issuer, claims: Claims, name: &str, value: impl Into<Value>) -> Made {
    Draft::of(issuer, claims).claim(name, value).rightly()
}

fn without(issuer: &Issuer, claims: Claims, name: &str) -> Made {
    Draft::of(issuer, claims).claimless(name).rightly()
}

fn typed(issuer: &Issuer, claims: Claims, typ: impl Into<Value>) -> Made {
    Draft::of(issuer, claims).head("typ", typ).rightly()
}
