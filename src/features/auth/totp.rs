//! Codes of an authenticator app (RFC 6238: SHA-1, 6 digits, 30 s, one step of skew either way)
//! and the recovery codes that stand in for them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use chrono::{DateTime, Utc};
use qrcode::QrCode;
use qrcode::render::svg;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use totp_rs::{Algorithm, Builder, Secret, Totp, TotpError};
use zeroize::Zeroizing;

use crate::platform::crypto::token;
use crate::platform::ids::Ids;

/// Seconds that one code lasts.
const STEP_SECONDS: u64 = 30;
const SKEW_STEPS: u16 = 1;
const ISSUER: &str = "Flowkeep";
/// Bytes of a secret (RFC 4226, 4).
const SECRET_BYTES: usize = 20;
/// Recovery codes that are made at once.
const RECOVERY_CODES: usize = 10;
/// Letters of a recovery code: no `i`, `l`, `o`, `u` (Crockford's base 32).
const LETTERS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// The secret that the app and Flowkeep share.
pub struct SharedSecret(Zeroizing<[u8; SECRET_BYTES]>);

/// A secret that waits for its first code, as it is sealed.
#[derive(Serialize, Deserialize)]
struct Pending {
    secret: String,
    started_at: DateTime<Utc>,
}

/// What the app needs to be shown.
pub struct Enrolment {
    /// The secret for typing it in, in base 32.
    pub secret: SecretString,
    /// The same as a link.
    pub otpauth_uri: SecretString,
    /// The link as a picture.
    pub qr_svg: SecretString,
}

impl SharedSecret {
    /// A fresh one.
    pub fn generate(ids: &Ids) -> Self {
        Self(Zeroizing::new(ids.bytes()))
    }

    /// From the bytes that were stored.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes
            .try_into()
            .ok()
            .map(|bytes| Self(Zeroizing::new(bytes)))
    }

    /// The bytes, to be sealed.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0[..]
    }

    /// The secret with the time its set-up began, to be sealed.
    pub fn to_pending(&self, started_at: DateTime<Utc>) -> Zeroizing<Vec<u8>> {
        let pending = Pending {
            secret: STANDARD_NO_PAD.encode(&self.0[..]),
            started_at,
        };
        Zeroizing::new(serde_json::to_vec(&pending).unwrap_or_default())
    }

    /// From what [`SharedSecret::to_pending`] made.
    pub fn from_pending(sealed: &[u8]) -> Option<(Self, DateTime<Utc>)> {
        let pending: Pending = serde_json::from_slice(sealed).ok()?;
        let bytes = Zeroizing::new(STANDARD_NO_PAD.decode(pending.secret).ok()?);
        Some((Self::from_bytes(&bytes)?, pending.started_at))
    }

    /// The time step whose code this is, if it is that of now or of a neighbour.
    pub fn matching_step(&self, code: &str, now: DateTime<Utc>) -> Option<i64> {
        let code: String = code.chars().filter(|c| !c.is_whitespace()).collect();
        let seconds = u64::try_from(now.timestamp()).ok()?;
        let step = self.totp("").ok()?.check(&code, seconds)?;
        i64::try_from(step).ok()
    }

    /// What the app needs to be shown.
    pub fn enrolment(&self, username: &str) -> Result<Enrolment, TotpError> {
        let totp = self.totp(username)?;
        let uri = totp.to_url()?;
        let svg = QrCode::new(&uri).map_or_else(
            |_| String::new(),
            |code| {
                let image = code.render::<svg::Color>().min_dimensions(220, 220).build();
                // Without the XML header it can stand in a page.
                image
                    .split_once("?>")
                    .map_or(image.clone(), |(_, svg)| svg.to_owned())
            },
        );
        Ok(Enrolment {
            secret: SecretString::from(totp.secret().to_base32()),
            otpauth_uri: SecretString::from(uri),
            qr_svg: SecretString::from(svg),
        })
    }

    fn totp(&self, username: &str) -> Result<Totp, TotpError> {
        Builder::new()
            .with_algorithm(Algorithm::SHA1)
            .with_digits(6)
            .with_skew(SKEW_STEPS)
            .with_step_duration(STEP_SECONDS)
            .with_secret(Secret::new_stack(*self.0))
            .with_account_name(username)
            .with_issuer(Some(ISSUER))
            .build()
    }
}

/// Ten codes, each good once.
pub fn recovery_codes(ids: &Ids) -> Vec<SecretString> {
    (0..RECOVERY_CODES).map(|_| recovery_code(ids)).collect()
}

/// 80 random bits that people can type, as in `7k2m-9xqd-4hzt-c0wr`.
pub fn recovery_code(ids: &Ids) -> SecretString {
    let letters: Vec<u8> = ids
        .bytes::<16>()
        .iter()
        .map(|byte| LETTERS[usize::from(byte % 32)])
        .collect();
    let groups: Vec<_> = letters.chunks(4).map(String::from_utf8_lossy).collect();
    SecretString::from(groups.join("-"))
}

/// The hash of a recovery code as the database keeps it, however it was typed.
pub fn recovery_hash(code: &SecretString) -> String {
    let plain: String = code
        .expose_secret()
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|c| match c.to_ascii_lowercase() {
            'o' => '0',
            'i' | 'l' => '1',
            other => other,
        })
        .collect();
    token::hash_hex(&plain)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    /// RFC 6238, appendix B, cut to six digits.
    #[test]
    fn codes_are_those_of_the_rfc() {
        let secret = SharedSecret::from_bytes(b"12345678901234567890").unwrap();
        for (seconds, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_234_567_890, "005924"),
            (20_000_000_000, "353130"),
        ] {
            let step = seconds / 30;
            assert_eq!(secret.matching_step(code, at(seconds)), Some(step));
            assert_eq!(secret.matching_step(code, at(seconds + 30)), Some(step));
            assert_eq!(secret.matching_step(code, at(seconds - 30)), Some(step));
            assert_eq!(secret.matching_step(code, at(seconds + 60)), None);
            assert_eq!(secret.matching_step(code, at(seconds - 60)), None);
        }
        let spaced = secret.matching_step(" 287 082\n", at(59));
        assert_eq!(spaced, Some(1));
        for bad in ["", "+87082", "28708", "2870820", "\u{0662}87082"] {
            assert_eq!(secret.matching_step(bad, at(59)), None, "{bad:?}");
        }
    }

    #[test]
    fn the_link_names_issuer_and_account_and_the_picture_is_plain_svg() {
        let secret = SharedSecret::from_bytes(b"12345678901234567890").unwrap();
        let shown = secret.enrolment("jane+x@example.com").unwrap();
        assert_eq!(
            shown.otpauth_uri.expose_secret(),
            "otpauth://totp/Flowkeep:jane%2Bx%40example.com\
             ?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Flowkeep"
        );
        assert!(shown.qr_svg.expose_secret().starts_with("<svg "));
    }

    #[test]
    fn a_pending_secret_survives_sealing() {
        let secret = SharedSecret::generate(&Ids::seeded(1));
        let pending = secret.to_pending(at(1_800_000_000));
        let (back, started_at) = SharedSecret::from_pending(&pending).unwrap();
        assert_eq!(back.as_bytes(), secret.as_bytes());
        assert_eq!(started_at, at(1_800_000_000));
        assert!(SharedSecret::from_pending(b"{}").is_none());
    }

    #[test]
    fn recovery_codes_differ_and_are_read_as_people_type_them() {
        let codes = recovery_codes(&Ids::seeded(1));
        let hashes: HashSet<_> = codes.iter().map(recovery_hash).collect();
        assert_eq!(hashes.len(), RECOVERY_CODES);
        let code = codes[0].expose_secret();
        assert_eq!(code.len(), 19);
        let typed = format!(
            " {} ",
            code.to_uppercase().replace('-', " ").replace('0', "O")
        );
        assert!(hashes.contains(&recovery_hash(&SecretString::from(typed))));
    }
}
