//! Answers that a repeated request gets again.

use std::sync::Arc;

use credential::event::{Action, Actor};
use store::change::NO_DETAIL;
use store::{Fault, args};
use testkit::{Database, on_each_engine};

use crate::world::{NOW, World, after};

const DIGEST: [u8; 32] = [1; 32];

on_each_engine! {
    async fn those_who_repeat_at_the_same_time_make_one_key_and_get_one_answer(database: Database) {
        let world = Arc::new(World::new(&database).await);
        let callers: Vec<_> = (0..20).map(|caller| {
            let world = Arc::clone(&world);
            tokio::spawn(async move {
                let key = world.key(&format!("key of {caller}"));
                world.store.change::<_, Fault>(Actor::SYSTEM, NOW, |_| Ok(()), move |change| {
                    if let Some(before) = change.remembered("caller", "k")? {
                        return Ok(before.answer.expect("it was not erased").to_vec());
                    }
                    change.insert_key(&key, true, Action::KeyCreated, NO_DETAIL)?;
                    let answer = key.name.as_str().as_bytes().to_vec();
                    change.remember("caller", "k", &DIGEST, Some(&key.id.to_string()), &answer)?;
                    Ok(answer)
                }).await.expect("answered").value
            })
        }).collect();
        let mut answers = Vec::new();
        for caller in callers {
            answers.push(caller.await.expect("no panic"));
        }
        answers.dedup();
        assert_eq!(answers.len(), 1);
        assert_eq!(world.view(|view| view.keys_count(&Default::default())).await, 1);
    }

    async fn an_answer_is_sealed_for_its_caller_and_erased(database: Database) {
        let world = World::new(&database).await;
        let remember = |caller: &'static str| {
            world.change(move |change| change.remember(caller, "k", &DIGEST, Some("key-1"), b"the answer"))
        };
        remember("one").await;
        remember("two").await;
        let read = |caller: &'static str| world.view(move |view| view.remembered(caller, "k"));
        let one = read("one").await.expect("it is there");
        assert_eq!(one.answer.as_deref().map(Vec::as_slice), Some(b"the answer".as_slice()));
        assert_eq!((one.body_digest, one.subject.as_deref(), one.created_at), (DIGEST, Some("key-1"), NOW));
        assert_eq!(read("three").await, None);
        const COPY: &str = "UPDATE idempotency SET answer = (SELECT answer FROM idempotency WHERE caller = 'one')";
        world.sql(COPY, args![]).await;
        assert_eq!(read("two").await.expect("it is there").answer, None, "another's does not open");
        world.store.erase_answer("one", "k").await.expect("erased");
        let erased = read("one").await.expect("it is there");
        assert_eq!((erased.answer, erased.subject.as_deref()), (None, Some("key-1")));
        assert_eq!(world.store.erase_answers(NOW, 10).await.expect("erased"), 0);
        assert_eq!(world.store.erase_answers(after(1), 10).await.expect("erased"), 1);
        assert_eq!(world.store.purge_idempotency(after(1), 10).await.expect("purged"), 2);
        assert_eq!(read("one").await, None);
    }
}
