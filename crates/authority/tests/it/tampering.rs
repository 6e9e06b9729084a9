//! Who writes to the database promotes nothing unseen, and without the master key verifies nothing.

use std::sync::Arc;

use authority::OpenError;
use authority::keys::Shown;
use authority::organizations::EditSettings;
use credential::key::{Denial, Kind};
use credential::secret::Digest;
use store::Store;
use testkit::Engine;

use crate::rig::{Rig, ask, authority_on, open, secret};

const READ: &str = "sample.orders:read";

testkit::on_each_engine! {
    async fn a_row_edited_by_hand_is_tampered_and_others_go_on(database: testkit::Database) {
        let rig = Rig::open(&database).await;
        let one = rig.create(Kind::Static, "one", &[READ]).await;
        let two = rig.create(Kind::Static, "two", &[READ]).await;
        let ids = (one.key.id.to_string(), two.key.id.to_string());
        rig.authority
            .store()
            .db()
            .write(move |tx| -> Result<(), store::Fault> {
                let later = i64::from(u32::MAX) * 1000;
                tx.execute("UPDATE api_key SET expires_at = $1 WHERE id = $2", store::args![later, &ids.0])?;
                Ok(())
            })
            .await
            .unwrap();
        let fresh = authority_on(&database, Arc::clone(&rig.clock), 9).await;
        assert_eq!(ask(&fresh, secret(&one), &[]).await, Err(Denial::Tampered));
        assert_eq!(ask(&fresh, secret(&two), &[]).await, Ok(()));
    }

    async fn a_page_of_settings_written_by_hand_hides_none_behind_it(database: testkit::Database) {
        let rig = Rig::open(&database).await;
        let edit = EditSettings { enforce_reach: Some(true), ..EditSettings::default() };
        let organization = rig.organization;
        rig.authority.edit_organization_settings(&rig.shell(), organization, edit, None).await.unwrap();
        rig.authority
            .store()
            .db()
            .write(move |tx| -> Result<(), store::Fault> {
                for number in 0..store::change::MAX_PAGE {
                    let insert = "INSERT INTO setting (name, scope, value, version, mac) VALUES ($1, '', '1', 1, $2)";
                    tx.execute(insert, store::args![format!("a{number:04}"), vec![0_u8; 32]])?;
                }
                Ok(())
            })
            .await
            .unwrap();
        let fresh = authority_on(&database, Arc::clone(&rig.clock), 9).await;
        assert!(fresh.world().enforces_reach(organization), "what was switched on is on after a start");
    }

    async fn a_verifier_copied_to_another_row_is_tampered(database: testkit::Database) {
        let rig = Rig::open(&database).await;
        let one = rig.create(Kind::Static, "one", &[READ]).await;
        let two = rig.create(Kind::Static, "two", &[READ]).await;
        let ids = (one.key.id.to_string(), two.key.id.to_string());
        rig.authority
            .store()
            .db()
            .write(move |tx| -> Result<(), store::Fault> {
                let copy = "UPDATE api_key SET sealed = (SELECT sealed FROM api_key WHERE id = $1) WHERE id = $2";
                tx.execute(copy, store::args![&ids.0, &ids.1])?;
                Ok(())
            })
            .await
            .unwrap();
        let fresh = authority_on(&database, Arc::clone(&rig.clock), 9).await;
        assert_eq!(ask(&fresh, secret(&two), &[]).await, Err(Denial::Tampered));
        assert_eq!(ask(&fresh, secret(&one), &[]).await, Ok(()));
    }

    async fn an_organization_that_was_edited_by_hand_is_worth_nothing(database: testkit::Database) {
        let rig = Rig::open(&database).await;
        let one = rig.create(Kind::Static, "one", &[READ]).await;
        rig.authority
            .store()
            .db()
            .write(|tx| -> Result<(), store::Fault> {
                tx.execute("UPDATE organization SET name = $1", store::args!["Evil"])?;
                Ok(())
            })
            .await
            .unwrap();
        let fresh = authority_on(&database, Arc::clone(&rig.clock), 9).await;
        assert_eq!(ask(&fresh, secret(&one), &[]).await, Err(Denial::Disabled));
    }

    async fn another_master_key_opens_nothing(database: testkit::Database) {
        let rig = Rig::open(&database).await;
        rig.create(Kind::Static, "one", &[READ]).await;
        let store = Store::open(database.url()).await.unwrap();
        let refused = open(store, Arc::clone(&rig.clock), 3, [6; 32]).await.map(drop);
        assert!(matches!(refused, Err(OpenError::Vault(_))), "{refused:?}");
    }
}

// The files of SQLite hold all that PostgreSQL's tables would: both are written through the same statements.
#[test]
fn a_stolen_database_has_nothing_to_hold_a_candidate_against() {
    testkit::run(Engine::Sqlite, |database| async move {
        let rig = Rig::open(&database).await;
        let mut candidates = Vec::new();
        for kind in [Kind::Static, Kind::Signed, Kind::Client, Kind::TokenPair] {
            let issued = rig.create(kind, "in plain sight", &[READ]).await;
            candidates.extend(texts(&issued.shown));
        }
        assert_eq!(candidates.len(), 5);
        rig.authority.close().await.unwrap();

        let path = database.url().strip_prefix("sqlite:").unwrap();
        let mut stolen = std::fs::read(path).unwrap();
        stolen.extend(std::fs::read(format!("{path}-wal")).unwrap_or_default());
        let holds = |needle: &[u8]| stolen.windows(needle.len()).any(|part| part == needle);
        assert!(holds(b"in plain sight"), "what is searched is the database");
        for text in candidates {
            // Of the whole text, and of the secret alone, with and without its checksum.
            let last = text.rsplit('_').next().unwrap();
            for part in [text.as_str(), last, &last[..last.len() - 6]] {
                let digest = *Digest::of(part).as_bytes();
                let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
                assert!(!holds(part.as_bytes()) && !holds(&digest) && !holds(hex.as_bytes()));
            }
        }
    });
}

/// Every secret text that was shown.
fn texts(shown: &Shown) -> Vec<String> {
    let secrets = match shown {
        Shown::Static { secret } | Shown::Signed { secret, .. } => vec![secret],
        Shown::Client { client_secret, .. } => vec![client_secret],
        Shown::TokenPair {
            access_token,
            refresh_token,
            ..
        } => vec![access_token, refresh_token],
        Shown::Jwt { token, .. } => vec![token],
    };
    secrets
        .into_iter()
        .map(|secret| secret.expose().to_owned())
        .collect()
}
