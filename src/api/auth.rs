//! Whose token is this: JWT with the algorithm pinned to the key (contract §3, P12).

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jsonwebtoken::Algorithm;
use jsonwebtoken::DecodingKey;
use jsonwebtoken::EncodingKey;
use jsonwebtoken::Header;
use jsonwebtoken::Validation;
use serde::Deserialize;
use serde::Serialize;

use crate::api::keys::Jwks;
use crate::api::keys::KeySource;
use crate::api::keys::KeysError;
use crate::model::ids::AgentId;
use crate::model::ids::QueueName;
use crate::model::time::Timestamp;
use crate::push::Denied;
use crate::push::Doorkeeper;
use crate::wire::identity::Identity;
use crate::wire::identity::TokenRole;

/// What a token has to say beside its signature.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct TokenRules {
    /// `iss`, when it is checked.
    pub issuer: Option<String>,
    /// What `aud` has to hold, when it is checked.
    pub audience: Option<String>,
    /// How far the identity provider's clock may differ. The local key needs none for `exp`.
    pub leeway: Duration,
}

/// Checks bearer tokens.
pub struct Tokens {
    local: Option<DecodingKey>,
    jwks: Option<Jwks>,
    rules: TokenRules,
    clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
}

/// What a minted token grants.
#[derive(Clone, Debug)]
pub struct Grant {
    /// `sub`.
    pub sub: AgentId,
    /// `roles`.
    pub roles: Vec<TokenRole>,
    /// `name`.
    pub name: Option<String>,
    /// `queues`.
    pub queues: Vec<QueueName>,
    /// How long it is good.
    pub ttl: Duration,
}

/// The token could not be signed.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the token could not be signed with the local key")]
pub struct NotSigned;

/// The claims we read. A claim of another shape than the contract's makes the token invalid.
#[derive(Deserialize)]
struct Claims {
    sub: AgentId,
    exp: f64,
    nbf: Option<f64>,
    iss: Option<String>,
    aud: Option<Audience>,
    roles: Vec<String>,
    name: Option<String>,
    #[serde(default)]
    queues: Vec<QueueName>,
    #[serde(default)]
    groups: Vec<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

impl Audience {
    fn holds(&self, wanted: &str) -> bool {
        match self {
            Self::One(one) => one == wanted,
            Self::Several(several) => several.iter().any(|one| one == wanted),
        }
    }
}

/// Longer tokens are not looked at.
const TOKEN_MAX: usize = 8 * 1024;
/// Ten thousand years in seconds: numbers beyond are no dates.
const DATE_MAX: f64 = 315_576_000_000.0;

impl Tokens {
    /// Checks with the local HS256 key, the identity provider's keys, or both. Fetches nothing yet.
    pub fn new(
        local_key: Option<&[u8]>,
        provider: Option<KeySource>,
        rules: TokenRules,
        clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    ) -> Result<Self, KeysError> {
        let jwks = provider.map(Jwks::new).transpose()?;
        Ok(Self { local: local_key.map(DecodingKey::from_secret), jwks, rules, clock })
    }

    /// Fetches the identity provider's keys, if there is one. Says how many are usable.
    pub async fn refresh(&self) -> Result<usize, KeysError> {
        match &self.jwks {
            Some(jwks) => jwks.refresh().await,
            None => Ok(0),
        }
    }

    async fn verify(&self, token: &str) -> Result<Identity, Denied> {
        if token.len() > TOKEN_MAX {
            return Err(Denied::NotValid);
        }
        let header = jsonwebtoken::decode_header(token).map_err(|_| Denied::NotValid)?;
        // Extensions that must be understood are not: none is known here (RFC 7515 §4.1.11).
        if header.crit.is_some() {
            return Err(Denied::NotValid);
        }
        match header.alg {
            Algorithm::HS256 => {
                let key = self.local.as_ref().ok_or(Denied::NotValid)?;
                self.accept(claims(token, key, Algorithm::HS256)?, Duration::ZERO)
            }
            Algorithm::RS256 | Algorithm::ES256 | Algorithm::EdDSA => {
                let jwks = self.jwks.as_ref().ok_or(Denied::NotValid)?;
                let key = jwks.key(header.alg, header.kid.as_deref()).await?;
                self.accept(claims(token, &key, header.alg)?, self.rules.leeway)
            }
            _ => Err(Denied::NotValid),
        }
    }

    /// Judges claims whose signature was good.
    fn accept(&self, claims: Claims, leeway: Duration) -> Result<Identity, Denied> {
        let now = (self.clock)();
        let expires_at = date(claims.exp)?;
        let begins_at = claims.nbf.map(date).transpose()?;
        let issued = self.rules.issuer.is_none() || self.rules.issuer == claims.iss;
        let meant = self.rules.audience.as_ref().is_none_or(|wanted| {
            claims.aud.as_ref().is_some_and(|audience| audience.holds(wanted))
        });
        if !issued || !meant || begins_at.is_some_and(|at| at > now.after(self.rules.leeway)) {
            return Err(Denied::NotValid);
        }
        if expires_at.after(leeway) <= now {
            return Err(Denied::Expired);
        }
        let roles = claims.roles.iter().filter_map(|word| TokenRole::from_word(word)).collect();
        let Claims { sub, name, queues, groups, .. } = claims;
        Ok(Identity { agent: sub, name, roles, queues, groups, expires_at })
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens").field("rules", &self.rules).finish_non_exhaustive()
    }
}

#[async_trait]
impl Doorkeeper for Tokens {
    async fn admit(&self, token: &str) -> Result<Identity, Denied> {
        self.verify(token).await
    }
}

/// Mints a token with the local key. It satisfies the rules it is minted under.
pub fn mint(
    key: &[u8],
    grant: &Grant,
    rules: &TokenRules,
    now: Timestamp,
) -> Result<String, NotSigned> {
    #[derive(Serialize)]
    struct Minted<'a> {
        sub: &'a AgentId,
        iat: u64,
        exp: u64,
        roles: Vec<&'static str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        name: Option<&'a str>,
        #[serde(skip_serializing_if = "<[_]>::is_empty")]
        queues: &'a [QueueName],
        #[serde(skip_serializing_if = "Option::is_none")]
        iss: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        aud: Option<&'a str>,
    }
    let claims = Minted {
        sub: &grant.sub,
        iat: now.0 / 1000,
        exp: now.after(grant.ttl).0.div_ceil(1000),
        roles: grant.roles.iter().map(|role| role.word()).collect(),
        name: grant.name.as_deref(),
        queues: &grant.queues,
        iss: rules.issuer.as_deref(),
        aud: rules.audience.as_deref(),
    };
    let header = Header::new(Algorithm::HS256);
    jsonwebtoken::encode(&header, &claims, &EncodingKey::from_secret(key)).map_err(|_| NotSigned)
}

/// The claims, if this key signed them with this algorithm. Times are judged by our own clock.
fn claims(token: &str, key: &DecodingKey, algorithm: Algorithm) -> Result<Claims, Denied> {
    let mut validation = Validation::new(algorithm);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_aud = false;
    let data = jsonwebtoken::decode::<Claims>(token, key, &validation);
    data.map(|data| data.claims).map_err(|_| Denied::NotValid)
}

/// A `NumericDate` of RFC 7519: seconds, perhaps with a fraction.
fn date(seconds: f64) -> Result<Timestamp, Denied> {
    if !(0.0..DATE_MAX).contains(&seconds) {
        return Err(Denied::NotValid);
    }
    let since_1970 = Duration::try_from_secs_f64(seconds).map_err(|_| Denied::NotValid)?;
    Ok(Timestamp(0).after(since_1970))
}

#[cfg(test)]
mod tests {
    use super::*;
    use jsonwebtoken::jwk::Jwk;
    use serde_json::Value;
    use serde_json::json;

    const NOW: u64 = 1_700_000_000;
    const LOCAL: &[u8] = &[1; 32];

    #[tokio::test]
    async fn a_minted_token_is_good_until_its_time_is_over() {
        let rules = TokenRules {
            audience: Some("countersign".into()),
            issuer: Some("us".into()),
            ..strict()
        };
        let grant = Grant {
            sub: "alice".parse().unwrap(),
            roles: vec![TokenRole::Agent, TokenRole::Supervisor],
            name: Some("Alice".into()),
            queues: vec!["general".parse().unwrap()],
            ttl: Duration::from_mins(1),
        };
        let token = mint(LOCAL, &grant, &rules, Timestamp(NOW * 1000)).unwrap();
        let alice = tokens_at(NOW, &rules).await.admit(&token).await.unwrap();
        assert_eq!((alice.agent, alice.name), (grant.sub, grant.name));
        assert_eq!((alice.roles, alice.queues), (grant.roles, grant.queues));
        assert_eq!(alice.expires_at, Timestamp((NOW + 60) * 1000));
        assert!(tokens_at(NOW + 59, &rules).await.admit(&token).await.is_ok());
        let late = tokens_at(NOW + 60, &rules).await.admit(&token).await;
        assert_eq!(late, Err(Denied::Expired));
    }

    #[tokio::test]
    async fn contract_3_each_algorithm_is_good_with_its_own_key() {
        let tokens = tokens_at(NOW, &strict()).await;
        for (alg, kid, key) in [
            ("HS256", None, local()),
            ("RS256", Some("rsa"), rsa()),
            ("ES256", Some("ec"), ec()),
            ("EdDSA", Some("ed"), ed()),
            ("RS256", None, rsa()),
        ] {
            let token = signed(&header(alg, kid), &good(), &key);
            assert_eq!(
                tokens.admit(&token).await.map(|who| who.agent),
                Ok("alice".parse().unwrap()),
                "{alg}"
            );
        }
        let mut fractional = good();
        fractional["exp"] = json!(1_700_000_000.5);
        let token = signed(&header("HS256", None), &fractional, &local());
        assert!(tokens.admit(&token).await.is_ok(), "RFC 7519: a NumericDate may have a fraction");
    }

    #[tokio::test]
    async fn p12_forty_bad_tokens_are_refused() {
        let rules = TokenRules {
            issuer: Some("https://idp".into()),
            audience: Some("countersign".into()),
            leeway: Duration::from_secs(30),
        };
        let tokens = tokens_at(NOW, &rules).await;
        let fine = signed(&header("ES256", Some("ec")), &good(), &ec());
        assert!(tokens.admit(&fine).await.is_ok(), "the table starts from a good token");

        let mut bad = bad_headers();
        bad.extend(bad_claims());
        bad.extend(bad_texts(&fine));
        assert!(bad.len() >= 40, "{}", bad.len());
        for (what, token) in bad {
            assert!(tokens.admit(&token).await.is_err(), "{what} was let in");
        }
    }

    #[tokio::test]
    async fn the_providers_clock_may_differ_by_the_leeway_and_ours_may_not() {
        let rules = TokenRules { leeway: Duration::from_secs(30), ..strict() };
        let tokens = tokens_at(NOW, &rules).await;
        for (exp, alg, key, admitted) in [
            (NOW - 29, "ES256", ec(), true),
            (NOW - 30, "ES256", ec(), false),
            (NOW, "HS256", local(), false),
            (NOW + 1, "HS256", local(), true),
        ] {
            let mut claims = good();
            claims["exp"] = json!(exp);
            let kid = (alg == "ES256").then_some("ec");
            let token = signed(&header(alg, kid), &claims, &key);
            assert_eq!(tokens.admit(&token).await.is_ok(), admitted, "{alg} {exp}");
        }
    }

    #[tokio::test]
    async fn without_the_providers_keys_its_tokens_cannot_be_judged() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("jwks.json");
        let source = Some(KeySource::File(path.clone()));
        let tokens =
            Tokens::new(None, source, strict(), Arc::new(|| Timestamp(NOW * 1000))).unwrap();
        let token = signed(&header("ES256", Some("ec")), &good(), &ec());
        assert!(tokens.refresh().await.is_err());
        assert_eq!(tokens.admit(&token).await, Err(Denied::Unavailable));
        std::fs::write(&path, r#"{"keys":[{"kty":"oct","k":"AAAA","kid":"ec"}]}"#).unwrap();
        assert!(
            matches!(tokens.refresh().await, Err(KeysError::Empty)),
            "no shared secret from a published set"
        );
        std::fs::write(&path, jwks()).unwrap();
        assert_eq!(tokens.refresh().await.unwrap(), 3);
        assert!(tokens.admit(&token).await.is_ok());
        let ours = signed(&header("HS256", None), &good(), &local());
        assert_eq!(tokens.admit(&ours).await, Err(Denied::NotValid), "there is no local key");
    }

    #[tokio::test(start_paused = true)]
    async fn a_new_key_is_looked_for_at_most_once_a_minute() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("jwks.json");
        let only_rsa = json!({"keys": [published(&rsa(), Algorithm::RS256, "rsa")]});
        std::fs::write(&path, only_rsa.to_string()).unwrap();
        let source = Some(KeySource::File(path.clone()));
        let tokens =
            Tokens::new(None, source, strict(), Arc::new(|| Timestamp(NOW * 1000))).unwrap();
        assert_eq!(tokens.refresh().await.unwrap(), 1);
        std::fs::write(&path, jwks()).unwrap();
        let token = signed(&header("ES256", Some("ec")), &good(), &ec());
        assert_eq!(tokens.admit(&token).await, Err(Denied::NotValid), "too early to look again");
        tokio::time::advance(Duration::from_mins(1)).await;
        assert!(tokens.admit(&token).await.is_ok());
    }

    fn bad_headers() -> Vec<(String, String)> {
        let mut bad = vec![];
        let mut add = |what: &str, header: Value, key: &EncodingKey| {
            bad.push((what.to_owned(), signed(&header, &good(), key)));
        };
        for none in ["none", "None", "NONE", "nOnE", ""] {
            add(&format!("alg {none:?}"), json!({"alg": none}), &local());
        }
        let public = published(&rsa(), Algorithm::RS256, "rsa");
        let modulus = public["n"].as_str().unwrap().to_owned();
        for (what, secret) in [
            ("HS256 keyed with the RSA modulus", modulus.into_bytes()),
            ("HS256 keyed with the public key's JSON", public.to_string().into_bytes()),
            ("HS256 keyed with nothing", vec![]),
            ("HS256 keyed with zeros", vec![0; 32]),
            ("HS256 keyed with a prefix of the key", vec![1; 31]),
        ] {
            add(what, header("HS256", Some("rsa")), &EncodingKey::from_secret(&secret));
        }
        add("HS384", header("HS384", None), &local());
        add("HS512", header("HS512", None), &local());
        add("RS256 announced, EC signed", header("RS256", Some("rsa")), &ec());
        add("ES256 announced, RSA key id", header("ES256", Some("rsa")), &ec());
        add("ES256 with the Ed25519 key id", header("ES256", Some("ed")), &ec());
        add("EdDSA with the EC key id", header("EdDSA", Some("ec")), &ed());
        add("RS384 with an RS256 key", header("RS384", Some("rsa")), &rsa());
        add("PS256 with an RS256 key", header("PS256", Some("rsa")), &rsa());
        add("ES384", header("ES384", Some("ec")), &ec());
        for kid in ["unknown", "../../../../dev/null", "' OR 1=1 --", "EC", "ec ", ""] {
            add(&format!("kid {kid:?}"), header("ES256", Some(kid)), &ec());
        }
        add("kid that is a number", json!({"alg": "ES256", "kid": 1}), &ec());
        let jwk = published(&other_ed(), Algorithm::EdDSA, "ed");
        add(
            "its own key in the header",
            json!({"alg": "EdDSA", "kid": "ed", "jwk": jwk}),
            &other_ed(),
        );
        add(
            "its own key's address",
            json!({"alg": "EdDSA", "kid": "ed", "jku": "https://evil"}),
            &other_ed(),
        );
        add(
            "a critical extension",
            json!({"alg": "ES256", "kid": "ec", "crit": ["b64"], "b64": false}),
            &ec(),
        );
        add("another provider's key", header("EdDSA", Some("ed")), &other_ed());
        bad
    }

    fn bad_claims() -> Vec<(String, String)> {
        let mut bad = vec![];
        for (claim, value) in [
            ("exp", json!(NOW - 30)),
            ("exp", json!("2030-01-01")),
            ("exp", json!(-1)),
            ("exp", json!(1e300)),
            ("exp", Value::Null),
            ("nbf", json!(NOW + 31)),
            ("nbf", json!("soon")),
            ("iss", json!("https://idp.evil")),
            ("iss", Value::Null),
            ("aud", json!("other")),
            ("aud", json!(["other", "countersign.evil"])),
            ("aud", json!([])),
            ("aud", Value::Null),
            ("sub", json!("")),
            ("sub", json!("a\r\nb")),
            ("sub", Value::Null),
            ("sub", json!(7)),
            ("roles", json!("agent")),
            ("roles", Value::Null),
            ("queues", json!([""])),
        ] {
            let mut claims = good();
            claims[claim] = value.clone();
            bad.push((
                format!("{claim} {value}"),
                signed(&header("ES256", Some("ec")), &claims, &ec()),
            ));
        }
        bad
    }

    fn bad_texts(fine: &str) -> Vec<(String, String)> {
        let parts: Vec<&str> = fine.split('.').collect();
        let [head, body, signature] = parts[..] else { panic!("three parts") };
        let other = signed(&header("ES256", Some("ec")), &json!({"sub": "bob"}), &ec());
        let other_body = other.split('.').nth(1).unwrap();
        [
            ("nothing", String::new()),
            ("dots", "..".to_owned()),
            ("no signature", format!("{head}.{body}.")),
            ("no third part", format!("{head}.{body}")),
            ("a fourth part", format!("{fine}.{signature}")),
            ("another's claims", format!("{head}.{other_body}.{signature}")),
            ("cut short", fine[..fine.len() - 4].to_owned()),
            ("a space before", format!(" {fine}")),
            ("padding", format!("{fine}==")),
            ("far too long", format!("{head}.{}.{signature}", "A".repeat(9000))),
        ]
        .map(|(what, token)| (what.to_owned(), token))
        .into()
    }

    // --- keys and tokens, made for these tests and used nowhere else ---

    const EC: &str = "\
        MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgxippoN7HefHvaJv1\n\
        XLw6+MgKxRKnWGjbcMVyuZERxlChRANCAARRLjfyPNEOnkGbJj1qsVwZX5xUt51i\n\
        NCofCVIEhDVXQqSQXbDkfZKsQf3N9jw0cs7iMCVau7MzneIrCvUMVl0P";
    const ED: &str = "MC4CAQAwBQYDK2VwBCIEILKsSnP5X2UOOymMmoMlopWv22RB5IZ3kcF210RvgxV+";
    const OTHER_ED: &str = "MC4CAQAwBQYDK2VwBCIEIIFIo8g28/g9jkO/JO5pWJCuhfw2nSq2K/rRDbKkhnXX";
    const RSA: &str = "\
        MIIEvgIBADANBgkqhkiG9w0BAQEFAASCBKgwggSkAgEAAoIBAQCp4QSw6JsSO7cU\n\
        OKekJJKVNrZ+QL6dHqsAyEFHlJ6lqyh/3tRkTWfO/bP1AvdUy/uZw94V1w299jxB\n\
        MSTeNj6VyF9ZeO+SgJsITSyQ6wSmCW3jt/py0+ZsHV4N/KgqAEHFU8fCWAx7fcSY\n\
        +mMBGGhTa6Sy5WXO2y3RoFCyOt9uBxgz3ybQVSJYI0CjinAJX5fTaHuZzqUpyule\n\
        kiCZ2woWgHMgTBRbn1jnw7DnX3SnFPkAgzi4I+ysELGL5iMBV9RjVqMBZtlDT56m\n\
        adtW+U+mNHMLahGWV8OquLJMu/mBU4o1E73Xkf01OmZNVnKV4G/cMCIaLIU4mOv+\n\
        qiisHNJhAgMBAAECggEAB0NZof6v8p2e/DxX3oq5watvLgKyo6EWCpiFQfw2tDqX\n\
        JrBuQEOW9qCeOxF/ZZ67CR34ttJVAhQvC1KAkweasWi5uueSxp69AiPaje+eaULp\n\
        8dyB1rr8lQ7EYLC2t+T+6uLkHYkKL5V2/FtoNDnI7BgkGIn6SlfQo6/JA3XE671L\n\
        8+Yu6eOmvi7mPdzmtBlytnERKoRMJRsArCx8YwO62QuHijfUx3vgLkn14J0UJigs\n\
        Ued9R7Y+IrTgrPApIuT8vIO5XD27j26KaNmP0BsS8kidrO2M7wWiUYvBl5J8s1iI\n\
        U4Mw/D7Mdd8oOb08dEt98tmWeEOkkE//CZGxlRKwYQKBgQDrAsftqjQQKnRpYGct\n\
        qfo/bdm8Oklt4+0wkbYNE3ItcPWtGjtfwpxML6weEnybBrj56LyJVQ0w4Vt8egiv\n\
        lo6W1qvzUOscLpl4FYQmCh/eOc6FxeqxKxI3+gfUqrqHuTuOZweCwkC05g/oNyyI\n\
        Uzm3+2jiMxtO566pfK1sNioaZQKBgQC5DRTGBkh7cbChGwQk3LuEoGpruOw2mLgZ\n\
        uHifLH9Zj5SWWuhqG5oDM8j8ZScexFO67cQzkkafMyKIxoFZjmgQR18MhIdzhLa2\n\
        nDqdk3vKeFC7+hooopYBcOmW+p7uDQ07koXhmUQPyRRfrAx6eXlhPABSjeLoHPg0\n\
        181OBhg6TQKBgQCA1rh2wj3isvO5JaHLNgm8pmOdPrMs7K0HWIre5k9NPEVjziLI\n\
        3+9CEUyh++6WKvxT/dUG0Tr3FkVKm7iRUs//P9drAGy0uZNncxxMonZQJY7kZdnB\n\
        oWROjeOnIqY6bEGLU06Z0BcbVZlY7I6cekwFYm5gvDX3byqhPnnw/kzcxQKBgHMj\n\
        cX544FZ2eaj0D1MESGSQD0cxSz/5K+tM/ThEzoQiMxiOPbfvrpc5fF+WbI3XKCXR\n\
        1Nclt21MursRj9/yHEusrLY0K7czpx/d+xaaclabH9imF+qapu0EnULEc2i4lDgx\n\
        xb2FyHRt75BLk4QM2vomBClZgQpdJA51C5f1cNOtAoGBALcUC5h2oVv4i2sLbAlE\n\
        0XF6uMOnYXg5D/argyaGF4b9FIRSFMeLFz40+ZOJo3nseAELXxCfD/FkXtlztU+P\n\
        YhACMEXLfbFhuiS1mbH74ALpora1iOD14pF+o8iX/B8A8citVzuG2ovv9KVDBsBX\n\
        AMf/IFlZxQQjGpbX7C8qNpr/";

    fn strict() -> TokenRules {
        TokenRules::default()
    }

    async fn tokens_at(now: u64, rules: &TokenRules) -> Tokens {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("jwks.json");
        std::fs::write(&path, jwks()).unwrap();
        let clock = Arc::new(move || Timestamp(now * 1000));
        let tokens =
            Tokens::new(Some(LOCAL), Some(KeySource::File(path)), rules.clone(), clock).unwrap();
        assert_eq!(tokens.refresh().await.unwrap(), 3);
        tokens
    }

    fn jwks() -> String {
        let unusable = json!({"kty": "EC", "crv": "P-521", "x": "AA", "y": "AA", "kid": "p521"});
        let encrypts = {
            let mut key = published(&ec(), Algorithm::ES256, "enc");
            key["use"] = json!("enc");
            key
        };
        json!({"keys": [
            unusable,
            encrypts,
            published(&rsa(), Algorithm::RS256, "rsa"),
            published(&ec(), Algorithm::ES256, "ec"),
            published(&ed(), Algorithm::EdDSA, "ed"),
        ]})
        .to_string()
    }

    fn published(key: &EncodingKey, algorithm: Algorithm, kid: &str) -> Value {
        let mut jwk = Jwk::from_encoding_key(key, algorithm).unwrap();
        jwk.common.key_id = Some(kid.to_owned());
        serde_json::to_value(jwk).unwrap()
    }

    fn good() -> Value {
        json!({
            "sub": "alice", "exp": NOW + 600, "nbf": NOW, "roles": ["agent", "astronaut"],
            "iss": "https://idp", "aud": ["countersign", "crm"],
        })
    }

    fn header(alg: &str, kid: Option<&str>) -> Value {
        kid.map_or_else(|| json!({"alg": alg}), |kid| json!({"alg": alg, "kid": kid}))
    }

    /// Signs any header and claims with what the key can do, whatever the header says.
    fn signed(header: &Value, claims: &Value, key: &EncodingKey) -> String {
        let message =
            format!("{}.{}", base64url(&header.to_string()), base64url(&claims.to_string()));
        let stated = header["alg"].as_str().and_then(|alg| alg.parse::<Algorithm>().ok());
        let fallback = [Algorithm::HS256, Algorithm::ES256, Algorithm::EdDSA, Algorithm::RS256];
        let signature = stated.into_iter().chain(fallback).find_map(|algorithm| {
            jsonwebtoken::crypto::sign(message.as_bytes(), key, algorithm).ok()
        });
        format!("{message}.{}", signature.unwrap())
    }

    fn base64url(text: &str) -> String {
        const LETTERS: &[u8; 64] =
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let mut out = String::new();
        for three in text.as_bytes().chunks(3) {
            let bits = three.iter().fold(0_u32, |bits, byte| (bits << 8) | u32::from(*byte))
                << (8 * (3 - three.len()));
            for place in 0..=three.len() {
                out.push(char::from(LETTERS[(bits >> (18 - 6 * place)) as usize & 63]));
            }
        }
        out
    }

    fn pem(body: &str) -> String {
        format!("-----BEGIN {0}-----\n{body}\n-----END {0}-----\n", "PRIVATE KEY")
    }

    fn local() -> EncodingKey {
        EncodingKey::from_secret(LOCAL)
    }

    fn ec() -> EncodingKey {
        EncodingKey::from_ec_pem(pem(EC).as_bytes()).unwrap()
    }

    fn ed() -> EncodingKey {
        EncodingKey::from_ed_pem(pem(ED).as_bytes()).unwrap()
    }

    fn other_ed() -> EncodingKey {
        EncodingKey::from_ed_pem(pem(OTHER_ED).as_bytes()).unwrap()
    }

    fn rsa() -> EncodingKey {
        EncodingKey::from_rsa_pem(pem(RSA).as_bytes()).unwrap()
    }
}
