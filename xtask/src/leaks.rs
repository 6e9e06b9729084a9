//! `cargo xtask leaks`: a thousand issued secrets are looked for in all that a loaded server has written down.

mod search;

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::demo;
use crate::native::Native;
use crate::served::{Place, fresh_folder};
use crate::shell::{read, timed};
use crate::stages::Tally;
use search::Needles;

/// Credentials issued of each kind; with their refresh tokens and rotated secrets well above a thousand secrets.
const OF_EACH_KIND: usize = 250;

/// Makes keys, uses them in good and in bad ways with the server's log fully open, takes a backup, and searches.
#[expect(clippy::print_stdout, reason = "tells what was searched")]
pub(crate) fn run(release: bool) -> Result<Tally> {
    let binary = demo::binary(release)?;
    let place = Place {
        binary: binary.clone(),
        folder: fresh_folder("leaks")?,
        database_url: None,
        log_level: "trace",
    };
    let mut server = place.serve()?;
    let admin_key = place.set_up(&server)?;
    let mut native = Native::new(&server.base_url, &admin_key)?;

    let mut secrets = vec![("the administrator's key".to_string(), admin_key.clone())];
    for kind in ["static", "signed", "client", "token_pair", "jwt"] {
        for number in 0..OF_EACH_KIND {
            let shown = native.create(kind, &format!("leak {number}"))?;
            if kind == "static" && number % 2 == 0 {
                secrets.push((
                    format!("rotated {kind} {number}"),
                    native.rotate(&shown.id)?.credential,
                ));
            }
            if kind == "client" {
                let token = native.buy(&shown)?;
                secrets.push((format!("access token of {kind} {number}"), token));
            }
            if let Some(token) = shown.refresh {
                let next = native.refresh(&shown.id, &token)?;
                secrets.push((format!("refresh token {number}"), token));
                secrets.push((format!("next access token {number}"), next.credential));
                secrets.extend(
                    next.refresh
                        .map(|token| (format!("next refresh token {number}"), token)),
                );
            }
            secrets.push((format!("{kind} {number}"), shown.credential));
        }
    }
    let mut asked: Vec<String> = secrets.iter().map(|(_, secret)| secret.clone()).collect();
    asked.extend(secrets.iter().map(|(_, secret)| format!("{secret}x")));
    for batch in asked.chunks(100) {
        native.verify(&batch.iter().map(String::as_str).collect::<Vec<_>>())?;
    }
    let backup = place.folder.join("backup");
    read(
        Command::new(&binary)
            .arg("backup")
            .arg(&backup)
            .env("LATCHKEY_DATA__DIRECTORY", place.folder.join("data")),
    )?;
    server.kill()?;

    let mut needles = Needles::new();
    for (label, secret) in &secrets {
        let part = secret_part(secret);
        needles.add(label, part);
        if let Some(bytes) = bytes_of(part) {
            needles.add(&format!("the bytes of {label}"), bytes);
        }
    }
    let mut found = Vec::new();
    let (bytes, time) = timed(|| search_folder(&place.folder, &needles, &mut found));
    println!(
        "{} secrets, {} bytes searched in {:.1} s",
        secrets.len(),
        bytes?,
        time.as_secs_f64()
    );
    if !found.is_empty() {
        bail!(
            "found: {}; what was searched is in {}",
            found.join("; "),
            place.folder.display()
        );
    }
    std::fs::remove_dir_all(&place.folder)?;
    Ok(Tally::HOLDS)
}

/// The characters of a native credential's secret, which its checksum follows.
const SECRET: usize = 44;

/// What must stay secret of a credential: the secret of a native one (its public part may be stored, and the checksum need
/// not be stored with it), the signature of a JWT.
fn secret_part(credential: &str) -> &str {
    let native = credential.starts_with("lk_");
    let separator = if native { '_' } else { '.' };
    let last = credential.rsplit(separator).next().unwrap_or(credential);
    match last.get(..SECRET) {
        Some(secret) if native => secret,
        _ => last,
    }
}

/// The bytes that a native secret spells in base 62, eight to eleven characters; none for anything else.
fn bytes_of(part: &str) -> Option<Vec<u8>> {
    let digit = |letter: &u8| match letter {
        b'0'..=b'9' => Some(u128::from(letter - b'0')),
        b'A'..=b'Z' => Some(u128::from(letter - b'A') + 10),
        b'a'..=b'z' => Some(u128::from(letter - b'a') + 36),
        _ => None,
    };
    if part.len() != SECRET {
        return None;
    }
    let mut bytes = Vec::new();
    for chunk in part.as_bytes().chunks(11) {
        let number = chunk
            .iter()
            .try_fold(0, |number, letter| Some(number * 62 + digit(letter)?))?;
        bytes.extend(u64::try_from(number).ok()?.to_be_bytes());
    }
    Some(bytes)
}

fn search_folder(folder: &Path, needles: &Needles, found: &mut Vec<String>) -> Result<usize> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            bytes += search_folder(&path, needles, found)?;
            continue;
        }
        let hay = std::fs::read(&path).with_context(|| path.display().to_string())?;
        bytes += hay.len();
        found.extend(
            needles
                .found_in(&hay)
                .into_iter()
                .map(|label| format!("{label} in {}", path.display())),
        );
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_secret_part_is_what_nobody_may_write_down() {
        let secret = "0000000000A".repeat(4);
        let key = format!("lk_key_{}_{secret}000abc", "1".repeat(33));
        assert_eq!(secret_part(&key), secret);
        assert_eq!(secret_part("eyJh.eyJp.c2ln"), "c2ln");
    }

    #[test]
    fn the_bytes_of_a_secret_are_those_that_its_text_spells() {
        let ten = [0, 0, 0, 0, 0, 0, 0, 10].repeat(4);
        assert_eq!(bytes_of(&"0000000000A".repeat(4)), Some(ten));
        let most = "LygHa16AHYF".repeat(4);
        assert_eq!(bytes_of(&most), Some(vec![0xFF; 32]));
        assert_eq!(bytes_of("c2ln"), None);
        assert_eq!(bytes_of(&"z".repeat(44)), None, "above 64 bits");
    }
}
