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
        needles.add(label, &secret_part(secret));
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

/// What must stay secret of a credential: the last part of a native one (its public part may be stored), the signature of
/// a JWT.
fn secret_part(credential: &str) -> String {
    let separator = if credential.starts_with("lk_") {
        '_'
    } else {
        '.'
    };
    credential
        .rsplit(separator)
        .next()
        .unwrap_or(credential)
        .to_string()
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
