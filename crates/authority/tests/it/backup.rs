//! A backup is the past: what was revoked since is good again in it, unless it is known not to be.

use std::io::BufReader;
use std::path::PathBuf;
use std::sync::Arc;

use authority::audit::AuditQuery;
use authority::backup::{Evidence, Restored};
use authority::keys::{Issued, Shown};
use authority::{Authority, Caller, Refusal};
use credential::key::{Denial, Kind};
use credential::time::{Instant, Span};

use crate::people::{ADMINISTRATOR, person, refused};
use crate::rig::{Rig, ask, open, secret};
use store::Store;
use testkit::Database;

const READ: &str = "sample.orders:read";

struct Scene {
    rig: Rig,
    _database: Database,
    directory: tempfile::TempDir,
    kept: Issued,
    revoked: Issued,
    pair: Issued,
    taken_at: Instant,
}

/// Three keys, a backup of them, and then one of them revoked.
async fn scene() -> Scene {
    let database = Database::sqlite();
    let rig = Rig::open(&database).await;
    let kept = rig.create(Kind::Static, "kept", &[READ]).await;
    let revoked = rig.create(Kind::Static, "revoked", &[READ]).await;
    let pair = rig.create(Kind::TokenPair, "pair", &[READ]).await;
    let directory = tempfile::tempdir().unwrap();
    let taken_at = rig.now();
    rig.authority
        .backup(&rig.shell(), &directory.path().join("backup.db"))
        .await
        .unwrap();
    rig.pass(Span::from_secs(10)).await;
    rig.authority
        .revoke_key(&rig.shell(), revoked.key.id, None)
        .await
        .unwrap();
    Scene {
        rig,
        _database: database,
        directory,
        kept,
        revoked,
        pair,
        taken_at,
    }
}

impl Scene {
    async fn restored(&self) -> Authority {
        let path: PathBuf = self.directory.path().join("backup.db");
        let store = Store::open(&format!("sqlite:{}", path.display()))
            .await
            .unwrap();
        open(store, Arc::clone(&self.rig.clock), 77, [5; 32])
            .await
            .unwrap()
    }

    async fn finish(&self, authority: &Authority, evidence: Evidence<'_>) -> Restored {
        let shell = Caller::shell(self.rig.organization);
        let restored = authority.finish_restore(&shell, evidence).await.unwrap();
        assert_eq!(restored.epoch, 2);
        let Shown::TokenPair { access_token, .. } = &self.pair.shown else {
            panic!("a pair")
        };
        let token = ask(authority, access_token.expose(), &[]).await;
        assert!(token.is_err(), "a token from before is refused: {token:?}");
        let report = authority.verify_audit(&shell).await.unwrap();
        assert!(report.is_good(), "{report:?}");
        restored
    }
}

#[tokio::test]
async fn without_evidence_keys_come_back_disabled() {
    let scene = scene().await;
    let authority = scene.restored().await;
    assert_eq!(
        ask(&authority, secret(&scene.revoked), &[READ]).await,
        Ok(()),
        "the backup does not know better"
    );
    let restored = scene.finish(&authority, Evidence::default()).await;
    assert_eq!((restored.suspended, restored.families), (3, 1));
    for key in [&scene.kept, &scene.revoked] {
        assert_eq!(
            ask(&authority, secret(key), &[READ]).await,
            Err(Denial::Disabled)
        );
    }
}

#[tokio::test]
async fn a_complete_journal_makes_what_was_lost_again() {
    let scene = scene().await;
    let mut export = scene
        .rig
        .authority
        .export_audit(
            &scene.rig.shell(),
            AuditQuery {
                everywhere: true,
                ..AuditQuery::default()
            },
        )
        .await
        .unwrap();
    let mut journal = String::new();
    while let Some(lines) = export.next_lines().await.unwrap() {
        journal.push_str(&lines);
    }
    let authority = scene.restored().await;
    let evidence = Evidence {
        journal: Some(Box::new(BufReader::new(journal.as_bytes()))),
        ..Evidence::default()
    };
    let restored = scene.finish(&authority, evidence).await;
    assert!(restored.journal_complete);
    assert_eq!((restored.replayed, restored.suspended), (1, 0));
    assert_eq!(ask(&authority, secret(&scene.kept), &[READ]).await, Ok(()));
    assert_eq!(
        ask(&authority, secret(&scene.revoked), &[READ]).await,
        Err(Denial::Revoked)
    );
}

#[tokio::test]
async fn a_journal_of_another_history_is_refused() {
    let scene = scene().await;
    let stranger = Database::sqlite();
    let stranger = Rig::open(&stranger).await;
    let query = AuditQuery {
        everywhere: true,
        ..AuditQuery::default()
    };
    let mut export = stranger
        .authority
        .export_audit(&stranger.shell(), query)
        .await
        .unwrap();
    let mut journal = String::new();
    while let Some(lines) = export.next_lines().await.unwrap() {
        journal.push_str(&lines);
    }
    let authority = scene.restored().await;
    let shell = Caller::shell(scene.rig.organization);
    let evidence = Evidence {
        journal: Some(Box::new(journal.as_bytes())),
        ..Evidence::default()
    };
    let refusal = refused(authority.finish_restore(&shell, evidence).await);
    assert!(
        matches!(
            refusal,
            Refusal::Invalid {
                member: "journal",
                ..
            }
        ),
        "{refusal}"
    );
}

#[tokio::test]
async fn an_operators_word_is_taken_for_what_the_backup_has() {
    let scene = scene().await;
    let authority = scene.restored().await;
    let shell = Caller::shell(scene.rig.organization);
    let later = Evidence {
        accept_as_of: Some(scene.taken_at + Span::from_secs(1)),
        ..Evidence::default()
    };
    let refusal = refused(authority.finish_restore(&shell, later).await);
    assert!(
        matches!(
            refusal,
            Refusal::Invalid {
                member: "accept_as_of",
                ..
            }
        ),
        "{refusal}"
    );
    let accepted = Evidence {
        accept_as_of: Some(scene.taken_at),
        ..Evidence::default()
    };
    let restored = scene.finish(&authority, accepted).await;
    assert_eq!(restored.suspended, 0);
    assert_eq!(ask(&authority, secret(&scene.kept), &[READ]).await, Ok(()));
}

#[tokio::test]
async fn only_the_shell_restores_and_only_the_operator_backs_up() {
    let scene = scene().await;
    let (_, admin) = person(
        &scene.rig,
        "ada@example.com",
        scene.rig.organization,
        &[ADMINISTRATOR],
    )
    .await;
    let restore = scene
        .rig
        .authority
        .finish_restore(&admin, Evidence::default())
        .await;
    assert!(matches!(refused(restore), Refusal::Ceiling(_)));
    scene
        .rig
        .authority
        .backup(&admin, &scene.directory.path().join("second.db"))
        .await
        .unwrap();
    let verifier = scene.rig.admin(&["latchkey.verify"]).await;
    let backup = scene
        .rig
        .authority
        .backup(&verifier, &scene.directory.path().join("third.db"))
        .await;
    assert!(matches!(refused(backup), Refusal::Forbidden { .. }));
}
