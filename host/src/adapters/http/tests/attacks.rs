//! Tokens that must not be believed.

use super::rig::*;
use serde_json::{Value, json};
use vg_domain::ids::TenantId;

/// Asks for the calls of `acme` with this token.
async fn outcome(server: &Server, token: &str) -> (u16, String) {
    let answer = server.ask("GET /v1/calls", token, "", "").await;
    assert!(answer.status == 403 || answer.head.contains("www-authenticate: bearer"), "{answer:?}");
    answer.problem()
}

fn with(change: impl FnOnce(&mut Value)) -> Value {
    let mut claims = claims("acme", "calls:read");
    change(&mut claims);
    claims
}

fn without(claim: &str) -> Value {
    with(|claims| drop(claims.as_object_mut().unwrap().remove(claim)))
}

#[tokio::test]
async fn a_good_token_of_each_algorithm_is_believed() {
    for signer in [Signer::ed(), Signer::ec(), Signer::rsa()] {
        let server = Server::start(Wishes::of(&signer)).await;
        let answer = server.ask("GET /v1/calls", &signer.token(&claims("acme", "calls:read")), "", "").await;
        assert_eq!((answer.status, answer.json()), (200, json!({ "calls": [] })), "{}", signer.alg());
        let many = with(|claims| claims["aud"] = json!(["other", AUDIENCE]));
        assert_eq!(server.ask("GET /v1/calls", &signer.token(&many), "", "").await.status, 200);
    }
}

#[tokio::test]
async fn claims_that_are_not_as_they_have_to_be_are_refused_each_with_its_code() {
    let signer = Signer::ed();
    let server = Server::start(Wishes::of(&signer)).await;
    let now = now_s();
    let table = [
        ("expired", with(|c| c["exp"] = json!(now - 6)), "token_expired"),
        ("expired long ago", with(|c| c["exp"] = json!(0)), "token_expired"),
        ("exp is a text", with(|c| c["exp"] = json!("4102444800")), "token_claims_incomplete"),
        ("exp is null", with(|c| c["exp"] = json!(null)), "token_claims_incomplete"),
        ("exp is negative", with(|c| c["exp"] = json!(-1)), "token_claims_incomplete"),
        ("no exp", without("exp"), "token_claims_incomplete"),
        ("not yet", with(|c| c["nbf"] = json!(now + 60)), "token_not_yet_valid"),
        ("nbf is a text", with(|c| c["nbf"] = json!("0")), "token_claims_incomplete"),
        ("another issuer", with(|c| c["iss"] = json!("https://evil.example/")), "token_issuer_wrong"),
        ("issuer without its slash", with(|c| c["iss"] = json!("https://id.example")), "token_issuer_wrong"),
        ("no issuer", without("iss"), "token_issuer_wrong"),
        ("another audience", with(|c| c["aud"] = json!("billing")), "token_audience_wrong"),
        ("other audiences", with(|c| c["aud"] = json!(["billing", "voice-gateway-2"])), "token_audience_wrong"),
        ("no audience", without("aud"), "token_audience_wrong"),
        ("no subject", without("sub"), "token_claims_incomplete"),
        ("an empty subject", with(|c| c["sub"] = json!("")), "token_claims_incomplete"),
        ("no tenant", without("tenant_id"), "token_claims_incomplete"),
        ("an empty tenant", with(|c| c["tenant_id"] = json!("")), "token_claims_incomplete"),
        ("a tenant that is a path", with(|c| c["tenant_id"] = json!("../acme")), "token_claims_incomplete"),
        ("two tenants", with(|c| c["tenant_id"] = json!(["acme", "other"])), "token_claims_incomplete"),
    ];
    for (attack, claims, code) in table {
        assert_eq!(outcome(&server, &signer.token(&claims)).await, (401, code.to_owned()), "{attack}");
    }
    // Clocks differ a little.
    for claims in [with(|c| c["exp"] = json!(now - 3)), with(|c| c["nbf"] = json!(now + 3))] {
        assert_eq!(server.ask("GET /v1/calls", &signer.token(&claims), "", "").await.status, 200, "{claims}");
    }
}

#[tokio::test]
async fn an_algorithm_follows_from_the_key_and_never_from_the_token() {
    let good = claims("acme", "calls:read");
    for signer in [Signer::ed(), Signer::ec(), Signer::rsa()] {
        let server = Server::start(Wishes::of(&signer)).await;
        let refused = |code: &str| (401, code.to_owned());
        for name in ["none", "None", "nOnE", ""] {
            let token = Signer::Nobody.token_with(&json!({ "alg": name }), &good);
            assert_eq!(outcome(&server, &token).await, refused("token_algorithm_refused"), "{name}");
        }
        // RS256 to HS256 and its like: what is public taken for a secret.
        for secret in [signer.pem(), signer.public().to_vec(), b"secret".to_vec()] {
            for name in ["HS256", "HS384", "HS512"] {
                let token = Signer::Hmac(secret.clone()).token_with(&json!({ "alg": name }), &good);
                assert_eq!(outcome(&server, &token).await, refused("token_algorithm_refused"));
            }
            // The same, called by the key's own algorithm.
            let token = Signer::Hmac(secret).token_with(&json!({ "alg": signer.alg() }), &good);
            assert_eq!(outcome(&server, &token).await, refused("token_signature_wrong"));
        }
        for other in ["RS256", "ES256", "EdDSA"].into_iter().filter(|name| *name != signer.alg()) {
            let token = signer.token_with(&json!({ "alg": other }), &good);
            assert_eq!(outcome(&server, &token).await, refused("token_algorithm_refused"), "{other}");
        }
        for other in ["PS256", "RS384", "RS512", "ES384", "ES512", "ES256K"] {
            let token = signer.token_with(&json!({ "alg": other }), &good);
            assert_eq!(outcome(&server, &token).await, refused("token_algorithm_refused"), "{other}");
        }
    }
}

#[tokio::test]
async fn a_token_that_was_not_signed_with_the_key_is_refused() {
    let signer = Signer::ed();
    let server = Server::start(Wishes::of(&signer)).await;
    let good = signer.token(&claims("acme", "calls:read"));
    let signature_wrong = (401, "token_signature_wrong".to_owned());
    assert_eq!(outcome(&server, &Signer::ed().token(&claims("acme", "calls:read"))).await, signature_wrong);

    // Another tenant's name put into a good token.
    let other = signer.token(&claims("other", EVERYTHING));
    let parts = |token: &str| token.split('.').map(str::to_owned).collect::<Vec<_>>();
    let (good_parts, other_parts) = (parts(&good), parts(&other));
    let grafted = [good_parts[0].as_str(), &other_parts[1], &good_parts[2]].join(".");
    assert_eq!(outcome(&server, &grafted).await, signature_wrong);
    assert_eq!(outcome(&server, &[good_parts[0].as_str(), &good_parts[1], ""].join(".")).await, signature_wrong);

    // A key or the address of one that the token brings along.
    let thief = Signer::ed();
    let headers = [
        json!({ "alg": "EdDSA", "jwk": thief.jwk("x") }),
        json!({ "alg": "EdDSA", "jku": "http://127.0.0.1:1/keys" }),
        json!({ "alg": "EdDSA", "x5u": "http://127.0.0.1:1/keys", "kid": "x" }),
    ];
    for header in headers {
        let token = thief.token_with(&header, &claims("acme", "calls:read"));
        assert_eq!(outcome(&server, &token).await, signature_wrong, "{header}");
    }
}

#[tokio::test]
async fn what_is_no_token_is_refused() {
    let signer = Signer::ed();
    let server = Server::start(Wishes::of(&signer)).await;
    let good = signer.token(&claims("acme", "calls:read"));
    let critical = json!({ "alg": "EdDSA", "crit": ["exp"], "exp": 1 });
    let table = [
        ("two parts", good.rsplit_once('.').unwrap().0.to_owned(), "token_malformed"),
        ("four parts", format!("{good}.x"), "token_malformed"),
        ("five parts", format!("{good}.x.y"), "token_malformed"),
        ("no base64", "!!!.!!!.!!!".to_owned(), "token_malformed"),
        ("no JSON", "e30x.e30.e30".to_owned(), "token_malformed"),
        ("no algorithm", "e30.e30.e30".to_owned(), "token_malformed"),
        ("an extension that must be understood", signer.token_with(&critical, &claims("acme", "calls:read")), "token_malformed"),
        ("far too large", format!("{}{good}", "A".repeat(9 << 10)), "token_too_large"),
    ];
    for (attack, token, code) in table {
        assert_eq!(outcome(&server, &token).await, (401, code.to_owned()), "{attack}");
    }
    let token = format!("authorization: Bearer {good}\r\n");
    for headers in ["", "authorization: Basic dTpw\r\n", "authorization: Bearer\r\n", &format!("{token}{token}")] {
        let answer = server.send("GET /v1/calls", headers, "").await;
        assert_eq!(answer.problem(), (401, "token_missing".to_owned()), "{headers}");
    }
    // Nowhere else than in its header.
    let answer = server.send(&format!("GET /v1/calls?access_token={good}"), "", "").await;
    assert_eq!(answer.problem(), (401, "token_missing".to_owned()));
}

#[tokio::test]
async fn every_operation_wants_a_token_and_its_scope() {
    let signer = Signer::ed();
    let server = Server::start(Wishes::of(&signer)).await;
    let document = serde_json::to_value(crate::adapters::http::openapi()).unwrap();
    let mut tried = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        // Has its own proofs, and its own tests of them.
        if path == "/v1/webhooks/asterisk" {
            continue;
        }
        for (method, operation) in item.as_object().unwrap() {
            let what = format!("{} {}", method.to_uppercase(), path.replace("{id}", "up"));
            let answer = server.ask(&what, "", "", "").await;
            assert_eq!(answer.problem(), (401, "token_missing".to_owned()), "{what}");
            let scopes = operation["security"][0]["token"].as_array().unwrap();
            // All of them, not one of them.
            for wanted in scopes.iter().map(|scope| scope.as_str().unwrap()) {
                let others: Vec<&str> = EVERYTHING.split(' ').filter(|scope| *scope != wanted).collect();
                for scope in [others.join(" "), String::new(), wanted.to_uppercase(), format!("{wanted}s")] {
                    let token = signer.token(&claims("acme", &scope));
                    let answer = server.ask(&what, &token, "", "{}").await;
                    assert_eq!(answer.problem(), (403, "scope_missing".to_owned()), "{what} with {scope:?}");
                    assert!(answer.head.contains("insufficient_scope"), "{answer:?}");
                }
            }
            tried += 1;
        }
    }
    assert!(tried >= 18, "{tried} operations");
    assert!(server.calls.orders.lock().unwrap().is_empty() && !server.drain.is_cancelled());
}

#[tokio::test]
async fn without_tokens_only_this_machine_is_served_and_no_page_or_proxy_on_it() {
    let signer = Signer::ed();
    let server = Server::start(Wishes { open: true, ..Wishes::of(&signer) }).await;
    assert_eq!(server.send("GET /v1/calls", "", "").await.status, 200);
    assert_eq!(server.send("GET /v1/calls", "origin: http://localhost:3000\r\n", "").await.status, 200);
    for header in
        ["origin: https://evil.example", "origin: null", "x-forwarded-for: 10.0.0.1", "forwarded: for=10.0.0.1", "via: 1.1 x"]
    {
        let answer = server.send("GET /v1/calls", &format!("{header}\r\n"), "").await;
        assert_eq!(answer.problem(), (403, "not_this_machine".to_owned()), "{header}");
    }
    let answer = server.send("GET /v1/tenants/other/settings", "x-tenant-id: ../x\r\n", "").await;
    assert_eq!(answer.problem(), (401, "token_claims_incomplete".to_owned()));
}

#[tokio::test]
async fn from_another_machine_a_ticket_takes_a_token_and_nothing_else_gets_one() {
    let signer = Signer::ed();
    let good = signer.token(&claims("acme", "calls:write"));
    for peer in ["192.0.2.7:4000", "[2001:db8::7]:4000", "[::ffff:192.0.2.7]:4000"] {
        let peer = Some(peer.parse().unwrap());
        let server = Server::start(Wishes { peer, ..Wishes::of(&signer) }).await;
        let answer = server.ask("POST /v1/media-tickets", &good, "", "").await;
        let ticket = answer.json()["ticket"].as_str().unwrap_or_default().to_owned();
        assert_eq!((answer.status, server.tickets.redeem(&ticket)), (201, Some(TenantId::new("acme"))), "{peer:?}");
        for headers in ["", "x-forwarded-for: 127.0.0.1\r\n", "x-tenant-id: acme\r\n"] {
            let answer = server.send("POST /v1/media-tickets", headers, "").await;
            assert_eq!(answer.problem(), (401, "token_missing".to_owned()), "{peer:?} {headers}");
        }
        // Where nobody needs a token, that holds for this machine alone.
        let open = Server::start(Wishes { peer, open: true, ..Wishes::of(&signer) }).await;
        for token in ["", good.as_str()] {
            let answer = open.ask("POST /v1/media-tickets", token, "", "").await;
            assert_eq!(answer.problem(), (403, "not_this_machine".to_owned()), "{peer:?}");
        }
    }
    let here = Server::start(Wishes { open: true, ..Wishes::of(&signer) }).await;
    assert_eq!(here.send("POST /v1/media-tickets", "", "").await.status, 201);
}
