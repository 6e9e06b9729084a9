//! Notices on their way out.

use std::sync::Arc;

use authority::jobs::Job;
use authority::notices::channels::{CreateChannel, EditChannel, Opened};
use authority::notices::courier::{Outcome, Receiver};
use authority::notices::{LEASE, NoticeFilter};
use authority::{Authority, Failure, Idempotency, Refusal};
use credential::event::Action;
use credential::key::Kind;
use credential::notice::channel::{FAILING_AFTER, MAX_RECIPIENTS, OVERLAP};
use credential::notice::delivery::{RETRIES, State};
use credential::organization::OrganizationKind;
use credential::time::Span;
use store::audit::AuditFilter;

use crate::people::{ADMINISTRATOR, organization, person, refused};
use crate::post::{Post, email, opened, unreachable, webhook};
use crate::rig::{Rig, follow_until};

/// Somebody who may look at everything and change nothing.
const AUDITOR: &str = "00000000-0000-7000-8000-000000010003";
const HOOK: &str = "https://example.com/hook";

/// A key that nobody used for long, and so a notice.
async fn something_to_tell(rig: &Rig, name: &str) {
    rig.create(Kind::Static, name, &["sample.orders:read"])
        .await;
    rig.pass(Span::from_days(91)).await;
    rig.authority.run_job(Job::Notices).await.unwrap();
}

async fn deliver(authority: &Authority) {
    authority.run_job(Job::Deliveries).await.unwrap();
}

async fn states(rig: &Rig, id: credential::id::ChannelId) -> Vec<(State, u32, String)> {
    let page = rig.authority.deliveries(&rig.shell(), id, None, 100).await;
    let states = page.unwrap().into_iter();
    states
        .map(|delivery| (delivery.state, delivery.tries, delivery.outcome))
        .collect()
}

testkit::on_each_engine! {
    async fn a_notice_goes_out_once_over_each_channel(database: testkit::Database) {
        let rig = Rig::open(&database).await;
        let post = Post::new();
        rig.authority.appoint(post.clone());
        let (hook, secret) = opened(&rig.authority, &rig.shell(), webhook("Hook", HOOK)).await;
        let (mail, none) = opened(&rig.authority, &rig.shell(), email("Mail", &["ops@example.com"])).await;
        assert!(secret.starts_with("whsec_") && secret.len() == 50 && none.is_empty(), "{}", secret.len());
        something_to_tell(&rig, "old").await;
        for _ in 0..3 {
            deliver(&rig.authority).await;
        }
        let mut taken = post.taken();
        taken.sort_by_key(|parcel| parcel.channel);
        let channels: Vec<_> = taken.iter().map(|parcel| parcel.channel).collect();
        let mut both = [hook.id, mail.id];
        both.sort();
        assert_eq!(channels, both);
        let [first, second] = &taken[..] else { panic!("two parcels") };
        assert_eq!((first.id, first.notice.kind.as_str(), first.organization.as_deref()), (second.id, "unused", Some("Acme")));
        assert!(!first.is_test && first.at == rig.now());
        assert_eq!(states(&rig, hook.id).await, [(State::Delivered, 1, "taken".to_owned())]);
    }

    async fn a_receiver_that_is_away_is_tried_by_the_schedule_until_it_ends(database: testkit::Database) {
        let rig = Rig::open(&database).await;
        let post = Post::new();
        rig.authority.appoint(post.clone());
        post.answer_always(Some(unreachable()));
        let (hook, _) = opened(&rig.authority, &rig.shell(), webhook("Hook", HOOK)).await;
        something_to_tell(&rig, "old").await;
        deliver(&rig.authority).await;
        let id = post.taken()[0].id;
        for wait in RETRIES {
            assert_eq!(states(&rig, hook.id).await[0].0, State::Pending);
            rig.pass(Span::from_millis(wait.millis() - 1)).await;
            deliver(&rig.authority).await;
            assert!(post.taken().is_empty(), "it is not {wait:?} yet");
            // Luck lengthens a wait by a tenth at most.
            rig.pass(Span::from_millis(wait.millis() / 10 + 1)).await;
            deliver(&rig.authority).await;
            let again: Vec<_> = post.taken().iter().map(|parcel| parcel.id).collect();
            assert_eq!(again, [id], "after {wait:?}");
        }
        let tries = RETRIES.len() as u32 + 1;
        assert_eq!(states(&rig, hook.id).await, [(State::Failed, tries, "nobody is there".to_owned())]);
        rig.pass(Span::from_days(2)).await;
        deliver(&rig.authority).await;
        assert!(post.taken().is_empty());
    }

    async fn a_receiver_is_left_alone_as_long_as_it_asks(database: testkit::Database) {
        let rig = Rig::open(&database).await;
        let post = Post::new();
        rig.authority.appoint(post.clone());
        let busy = |permanent| Outcome::Refused {
            words: "busy".to_owned(), permanent, retry_after: Some(Span::from_secs(50)),
        };
        post.answer_next(busy(false));
        post.answer_next(busy(true));
        let (hook, _) = opened(&rig.authority, &rig.shell(), webhook("Hook", HOOK)).await;
        something_to_tell(&rig, "old").await;
        deliver(&rig.authority).await;
        rig.pass(Span::from_secs(49)).await;
        deliver(&rig.authority).await;
        assert_eq!(post.taken().len(), 1);
        rig.pass(Span::from_secs(7)).await;
        deliver(&rig.authority).await;
        assert_eq!(post.taken().len(), 1);
        assert_eq!(states(&rig, hook.id).await, [(State::Failed, 2, "busy".to_owned())], "for ever is at once");
    }

    async fn a_try_of_a_replica_that_died_is_taken_over_when_its_claim_ends(database: testkit::Database) {
        let rig = Rig::open(&database).await;
        let (dying, living) = (Post::new(), Post::new());
        dying.hang(true);
        rig.authority.appoint(dying.clone());
        opened(&rig.authority, &rig.shell(), webhook("Hook", HOOK)).await;
        something_to_tell(&rig, "old").await;
        // Its start rolls the signing keys over, which waits for whoever else is there.
        let other = follow_until(&rig.authority, rig.another(&database)).await;
        other.appoint(living.clone());
        let authority = rig.authority.clone();
        let hanging = tokio::spawn(async move { authority.run_job(Job::Deliveries).await });
        dying.got_one.notified().await;
        deliver(&other).await;
        assert!(living.taken().is_empty(), "it is under way");
        hanging.abort();
        rig.pass(Span::from_millis(LEASE.millis() - 1)).await;
        other.poll().await.unwrap();
        deliver(&other).await;
        assert!(living.taken().is_empty(), "nobody knows that the other died");
        rig.pass(Span::from_millis(1)).await;
        other.poll().await.unwrap();
        deliver(&other).await;
        let (first, second) = (dying.taken(), living.taken());
        assert_eq!((second.len(), second[0].id), (1, first[0].id), "the receiver knows it by its id");
    }

    async fn a_receiver_that_wants_no_more_gets_no_more(database: testkit::Database) {
        let rig = Rig::open(&database).await;
        let post = Post::new();
        rig.authority.appoint(post.clone());
        post.answer_next(Outcome::Gone { words: "gone".to_owned() });
        let (hook, _) = opened(&rig.authority, &rig.shell(), webhook("Hook", HOOK)).await;
        something_to_tell(&rig, "one").await;
        deliver(&rig.authority).await;
        let state = rig.authority.channel(&rig.shell(), hook.id).await.unwrap();
        assert!(!state.channel.active);
        something_to_tell(&rig, "two").await;
        deliver(&rig.authority).await;
        assert_eq!(post.taken().len(), 1);
        assert_eq!(states(&rig, hook.id).await, [(State::Failed, 1, "gone".to_owned())]);
        let filter = AuditFilter { subject_id: Some(hook.id.to_string()), ..AuditFilter::default() };
        let trail = rig.authority.store().view(move |view| view.audit_page(&filter, None, 10)).await.unwrap();
        let actions: Vec<Action> = trail.iter().map(|sealed| sealed.event.action).collect();
        assert_eq!(actions, [Action::ChannelDisabled, Action::ChannelCreated]);
    }

    async fn what_was_queued_for_a_channel_that_is_turned_off_is_dropped(database: testkit::Database) {
        let rig = Rig::open(&database).await;
        let post = Post::new();
        rig.authority.appoint(post.clone());
        let (hook, _) = opened(&rig.authority, &rig.shell(), webhook("Hook", HOOK)).await;
        something_to_tell(&rig, "old").await;
        let off = EditChannel { active: Some(false), ..EditChannel::default() };
        rig.authority.edit_channel(&rig.shell(), hook.id, off, Some(1)).await.unwrap();
        deliver(&rig.authority).await;
        assert!(post.taken().is_empty());
        assert_eq!(states(&rig, hook.id).await[0].0, State::Dropped);
    }

    async fn a_channel_that_fails_for_days_is_told_to_the_operator_and_not_over_itself(database: testkit::Database) {
        let rig = Rig::open(&database).await;
        let post = Post::new();
        rig.authority.appoint(post.clone());
        let other = organization(&rig, "Other", OrganizationKind::Standalone).await;
        let (_, admin) = person(&rig, "ada@example.com", other.id, &[ADMINISTRATOR]).await;
        let (own, _) = opened(&rig.authority, &rig.shell(), webhook("Operator", HOOK)).await;
        let theirs = CreateChannel { organization: Some(other.id), ..webhook("Theirs", HOOK) };
        let (theirs, _) = opened(&rig.authority, &admin, theirs).await;
        let test = rig.authority.test_channel(&rig.shell(), own.id).await.unwrap();
        assert_eq!(test.words(), "taken");
        assert!(post.taken()[0].is_test);
        post.answer_always(Some(unreachable()));
        // Both organizations have something to tell, and nothing gets through.
        something_to_tell(&rig, "old").await;
        deliver(&rig.authority).await;
        rig.pass(FAILING_AFTER).await;
        let state = rig.authority.channel(&rig.shell(), own.id).await.unwrap();
        assert!(state.failing && state.failing_since == Some(rig.now() - FAILING_AFTER));
        post.taken();
        for _ in 0..3 {
            deliver(&rig.authority).await;
        }
        // Of each somebody is told, over the operator's channel; of that one itself, nobody over any.
        let told: Vec<_> = post.taken().into_iter().filter(|parcel| parcel.notice.kind == "channel_failing").collect();
        let [told] = &told[..] else { panic!("one: {told:?}") };
        assert_eq!((told.channel, &told.notice.subject.id), (own.id, &theirs.id.to_string()));
        let everywhere = NoticeFilter { everywhere: true, ..NoticeFilter::default() };
        let page = rig.authority.notices(&rig.shell(), everywhere, None, 50).await.unwrap();
        let mut failing: Vec<_> = page.iter().filter(|notice| notice.kind == "channel_failing").map(|notice| (notice.organization, notice.subject.id.clone())).collect();
        failing.sort();
        let mut both = [(None, own.id.to_string()), (None, theirs.id.to_string())];
        both.sort();
        assert_eq!(failing, both, "each stands in the list once");
    }

    async fn a_new_secret_signs_with_the_one_before_for_a_day(database: testkit::Database) {
        let rig = Rig::open(&database).await;
        let post = Post::new();
        rig.authority.appoint(post.clone());
        let (hook, first) = opened(&rig.authority, &rig.shell(), webhook("Hook", HOOK)).await;
        let idempotency = || Some(Idempotency { key: "again".to_owned(), request: [1; 32] });
        let rotate = async || {
            let shown = |issued: &authority::notices::channels::IssuedChannel| issued.secret.as_ref().unwrap().expose().as_bytes().to_vec();
            let rotated = rig.authority.rotate_channel_secret(&rig.shell(), hook.id, Some(1), idempotency(), shown).await;
            match rotated.unwrap() {
                Opened::New(secret, channel) => (String::from_utf8(secret).unwrap(), channel.version),
                Opened::Repeat(secret) => (String::from_utf8(secret).unwrap(), 0),
            }
        };
        let (second, version) = rotate().await;
        assert_eq!(version, 2);
        assert_ne!(first, second);
        assert_eq!(rotate().await, (second, 0), "a repeat gives the same answer");
        let secrets = async || {
            rig.authority.test_channel(&rig.shell(), hook.id).await.unwrap();
            let Receiver::Webhook { secrets, .. } = post.taken().remove(0).receiver else { panic!("a webhook") };
            secrets.len()
        };
        assert_eq!(secrets().await, 2);
        rig.pass(OVERLAP).await;
        assert_eq!(secrets().await, 1);
    }

    async fn channels_are_for_those_who_may_change_settings(database: testkit::Database) {
        let rig = Rig::open(&database).await;
        rig.authority.appoint(Post::new());
        let other = organization(&rig, "Other", OrganizationKind::Standalone).await;
        let (_, admin) = person(&rig, "ada@example.com", rig.organization, &[ADMINISTRATOR]).await;
        let (_, auditor) = person(&rig, "au@example.com", rig.organization, &[AUDITOR]).await;
        let (_, stranger) = person(&rig, "cy@example.com", other.id, &[ADMINISTRATOR]).await;
        let (hook, _) = opened(&rig.authority, &admin, webhook("Hook", HOOK)).await;
        let edit = || EditChannel::default();
        assert_eq!(rig.authority.channel(&auditor, hook.id).await.unwrap().channel, hook);
        assert!(matches!(refused(rig.authority.edit_channel(&auditor, hook.id, edit(), None).await), Refusal::Forbidden { .. }));
        assert!(matches!(refused(rig.authority.test_channel(&auditor, hook.id).await), Refusal::Forbidden { .. }));
        let missing = Refusal::NotFound("channel");
        assert_eq!(refused(rig.authority.channel(&stranger, hook.id).await), missing);
        assert_eq!(refused(rig.authority.edit_channel(&stranger, hook.id, edit(), None).await), missing);
        assert_eq!(refused(rig.authority.delete_channel(&stranger, hook.id, None).await), missing);
        assert_eq!(refused(rig.authority.deliveries(&stranger, hook.id, None, 1).await), missing);
        assert!(rig.authority.channels(&stranger, Some(rig.organization), None, 10).await.is_err());
        assert_eq!(refused(rig.authority.delete_channel(&admin, hook.id, Some(9)).await), Refusal::Stale { version: 1 });
        rig.authority.delete_channel(&admin, hook.id, Some(1)).await.unwrap();
        assert_eq!(refused(rig.authority.channel(&admin, hook.id).await), missing);
    }

    async fn a_channel_that_cannot_be_is_refused(database: testkit::Database) {
        let rig = Rig::open(&database).await;
        rig.authority.appoint(Post::new());
        let member = async |command: CreateChannel| {
            match rig.authority.create_channel(&rig.shell(), command, None, |_| Vec::new()).await {
                Err(Failure::Refused(Refusal::Invalid { member, .. })) => member,
                Err(Failure::Refused(Refusal::Conflict(_))) => "too many",
                other => panic!("it is refused: {}", other.is_ok()),
            }
        };
        let many: Vec<String> = (0..=MAX_RECIPIENTS).map(|n| format!("a{n}@example.com")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(member(email("x", &[])).await, "recipients");
        assert_eq!(member(email("x", &many)).await, "recipients");
        assert_eq!(member(webhook("x", "https://forbidden.example/")).await, "url");
        assert_eq!(member(CreateChannel { kinds: Some(vec![]), ..webhook("x", HOOK) }).await, "notice_kinds");
        let mut last = None;
        for _ in 0..store::deliveries::MAX_CHANNELS {
            last = Some(opened(&rig.authority, &rig.shell(), webhook("x", HOOK)).await.0);
        }
        assert_eq!(member(webhook("x", HOOK)).await, "too many");
        let target = email("x", &["a@example.com"]).target;
        let edit = EditChannel { target: Some(target), ..EditChannel::default() };
        let id = last.unwrap().id;
        assert!(matches!(refused(rig.authority.edit_channel(&rig.shell(), id, edit, None).await), Refusal::Invalid { member: "recipients", .. }));
    }

    async fn two_replicas_that_send_at_once_send_one(database: testkit::Database) {
        let rig = Rig::open(&database).await;
        let post = Post::new();
        rig.authority.appoint(post.clone());
        opened(&rig.authority, &rig.shell(), webhook("Hook", HOOK)).await;
        let other = rig.another(&database).await;
        other.appoint(Arc::<Post>::clone(&post));
        follow_until(&other, something_to_tell(&rig, "old")).await;
        let both = (rig.authority.run_job(Job::Deliveries), other.run_job(Job::Deliveries));
        let (one, two) = tokio::join!(both.0, both.1);
        assert!(one.is_ok() && two.is_ok());
        assert_eq!(post.taken().len(), 1);
    }
}
