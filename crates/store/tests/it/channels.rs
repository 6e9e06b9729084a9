//! Channels: the ways out for notices.

use credential::event::Action;
use credential::id::{ChannelId, OrganizationId};
use credential::key::Maker;
use credential::notice::channel::{Channel, SigningSecret, Wanted, Way, Webhook};
use credential::notice::url::HookUrl;
use credential::organization::Email;
use store::Found;
use store::change::NO_DETAIL;
use testkit::{Database, on_each_engine};

use crate::world::{NOW, World, after, name_of};

pub(crate) fn email_channel(number: u8, organization: OrganizationId) -> Channel {
    Channel {
        id: ChannelId::from_bytes([number; 16]),
        organization,
        name: name_of("Ops"),
        way: Way::email(vec![Email::new("ops@example.com").expect("an address")]).expect("a way"),
        wanted: Wanted::All,
        active: true,
        created_at: NOW,
        created_by: Maker::System,
        version: 1,
    }
}

pub(crate) fn webhook_channel(number: u8, organization: OrganizationId) -> Channel {
    let hook = Webhook {
        url: HookUrl::new("https://example.com/hook").expect("a URL"),
        secret: SigningSecret::from_bytes([number; 32]),
        previous: Some((SigningSecret::from_bytes([200; 32]), after(60))),
    };
    Channel {
        way: Way::Webhook(hook),
        wanted: Wanted::kinds(["tampering".to_owned(), "unused".to_owned()]).expect("kinds"),
        ..email_channel(number, organization)
    }
}

pub(crate) async fn written(world: &World, channel: &Channel) {
    let channel = channel.clone();
    world
        .change(move |change| change.insert_channel(&channel, NO_DETAIL))
        .await;
}

on_each_engine! {
    async fn a_channel_is_kept_changed_and_removed(database: Database) {
        let world = World::new(&database).await;
        let own = world.organization.id;
        let (email, hook) = (email_channel(1, own), webhook_channel(2, own));
        written(&world, &email).await;
        written(&world, &hook).await;
        let read = |id| world.view(move |view| view.channel(id));
        assert_eq!(read(email.id).await, Some(Found::Good(email.clone())));
        assert_eq!(read(hook.id).await, Some(Found::Good(hook.clone())));
        let page = world.view(move |view| view.channels_page(own, Some(ChannelId::from_bytes([1; 16])), 10)).await;
        assert_eq!(page, [Found::Good(hook.clone())]);
        let Way::Webhook(old) = hook.way.clone() else { panic!("a webhook") };
        let rotated = Channel { way: Way::Webhook(old.rotate(SigningSecret::from_bytes([9; 32]), NOW)), ..hook };
        let written = world.change(move |change| change.update_channel(rotated.clone(), Action::ChannelRotated, NO_DETAIL)).await.value;
        assert_eq!(written.version, 2);
        assert_eq!(read(written.id).await, Some(Found::Good(written.clone())));
        assert_eq!(world.mismatches().await, []);
        let gone = written.clone();
        world.change(move |change| change.delete_channel(&gone, NO_DETAIL)).await;
        assert_eq!(read(written.id).await, None);
        assert_eq!(world.mismatches().await, []);
    }

    async fn the_secrets_of_a_channel_are_in_no_column(database: Database) {
        let world = World::new(&database).await;
        let channel = webhook_channel(0xA7, world.organization.id);
        written(&world, &channel).await;
        let rows = world.store.db().read(|tx| {
            tx.query("SELECT sealed FROM notice_channel", &[])
        }).await.expect("read");
        let sealed = rows[0].blob(0).expect("a blob");
        assert!(sealed.len() > 64 && !sealed.windows(8).any(|bytes| bytes == [0xA7; 8] || bytes == [200; 8]));
    }
}
