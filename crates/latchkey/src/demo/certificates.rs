//! A certificate authority and a certificate that live as long as the demo.
//!
//! They pass strict checks (RFC 5280 as OpenSSL's `X509_V_FLAG_X509_STRICT` and Python 3.13 read it): basic constraints
//! marked critical, key usage, subject and authority key identifiers.

use authority::ports::Entropy;
use credential::time::{Instant, Span};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, SerialNumber, date_time_ymd,
};

/// The names that the certificate is for: those of the vendors whose programs are tried against the demo, and our own.
pub(super) const NAMES: [&str; 8] = [
    "api.sse.cisco.com",
    "api.security.cisco.com",
    "visibility.amp.cisco.com",
    "private.intel.amp.cisco.com",
    "intel.amp.cisco.com",
    "api-latchkey.test",
    "localhost",
    "127.0.0.1",
];

/// How far back they are valid: room for clocks of test machines that are behind.
const BEFORE: Span = Span::from_days(2);
/// How long they are valid: no demo runs as long.
const AFTER: Span = Span::from_days(90);

/// PEM texts.
pub(super) struct Certificates {
    /// The authority, which clients shall trust.
    pub(super) ca: String,
    /// The certificate, and the authority.
    pub(super) chain: String,
    /// The key of the certificate. The authority's key is not kept.
    pub(super) key: String,
}

impl Certificates {
    pub(super) fn make(now: Instant, entropy: &Entropy) -> anyhow::Result<Self> {
        let mut authority = params(Vec::new(), "Latchkey demo authority", now, entropy)?;
        authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate()?)?;

        let names = NAMES.map(str::to_owned).to_vec();
        let mut leaf = params(names, "Latchkey demo", now, entropy)?;
        // This one also writes the subject key identifier.
        leaf.is_ca = IsCa::ExplicitNoCa;
        leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let key = KeyPair::generate()?;
        let leaf = leaf.signed_by(&key, &authority)?;

        let ca = authority.pem();
        Ok(Self {
            chain: format!("{}{ca}", leaf.pem()),
            key: key.serialize_pem(),
            ca,
        })
    }
}

fn params(
    names: Vec<String>,
    title: &str,
    now: Instant,
    entropy: &Entropy,
) -> anyhow::Result<CertificateParams> {
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, title);
    let (year, month, date) = day(now - BEFORE)?;
    params.not_before = date_time_ymd(year, month, date);
    let (year, month, date) = day(now + AFTER)?;
    params.not_after = date_time_ymd(year, month, date);
    params.use_authority_key_identifier_extension = true;
    // RFC 5280, section 4.1.2.2: positive, at most 20 bytes.
    let mut serial = entropy.draw::<16>()?;
    serial[0] = serial[0] & 0x7f | 0x40;
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    Ok(params)
}

/// Year, month and day.
fn day(at: Instant) -> anyhow::Result<(i32, u8, u8)> {
    let date = jiff::Timestamp::from_millisecond(at.millis())?
        .to_zoned(jiff::tz::TimeZone::UTC)
        .date();
    Ok((
        i32::from(date.year()),
        u8::try_from(date.month())?,
        u8::try_from(date.day())?,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_can_be_started_with_them() {
        let made = Certificates::make(Instant::from_millis(1_800_000_000_000), &Entropy::seeded(7))
            .unwrap();
        assert!(server::edge::tls::Tls::new(made.chain.as_bytes(), made.key.as_bytes()).is_ok());
        assert_eq!(made.chain.matches("BEGIN CERTIFICATE").count(), 2);
        assert!(made.chain.ends_with(&made.ca));
    }
}
