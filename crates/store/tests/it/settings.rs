//! Settings and catalogs.

use store::catalogs::Catalog;
use store::change::NO_DETAIL;
use store::settings::Setting;
use store::{Fault, Found};
use testkit::{Database, on_each_engine};

use crate::world::{World, product};

on_each_engine! {
    async fn a_setting_is_of_the_server_or_of_an_organization(database: Database) {
        let world = World::new(&database).await;
        let organization = Some(world.organization.id);
        let new = move |organization, value: &str| Setting {
            name: "grace".to_owned(), organization, value: value.to_owned(), version: 0,
        };
        let (server, own) = (new(None, "60"), new(organization, "30"));
        let (server, own) = world.change(move |change| {
            Ok((change.put_setting(server.clone(), NO_DETAIL)?, change.put_setting(own.clone(), NO_DETAIL)?))
        }).await.value;
        assert_eq!((server.version, own.version), (1, 1));
        assert_eq!(world.view(|view| view.setting("grace", None)).await, Some(Found::Good(server.clone())));
        assert_eq!(world.view(move |view| view.setting("grace", organization)).await, Some(Found::Good(own.clone())));
        assert_eq!(world.view(|view| view.setting("other", None)).await, None);
        let edit = Setting { value: "90".to_owned(), ..server.clone() };
        let edited = world.change(move |change| change.put_setting(edit.clone(), NO_DETAIL)).await.value;
        let place = edited.name.clone();
        assert_eq!(world.view(|view| view.settings_page(None, 1)).await, vec![Found::Good(edited)]);
        assert_eq!(world.view(move |view| view.settings_page(Some(&place), 9)).await, vec![Found::Good(own)]);
        let stale = world.try_change(move |change| change.put_setting(server.clone(), NO_DETAIL)).await;
        assert!(matches!(stale, Err(Fault::Outrun)));
    }

    async fn a_catalog_is_in_force_with_a_version(database: Database) {
        let world = World::new(&database).await;
        let catalog = Catalog { product: product("demo"), digest: "aa".to_owned(), body: "[x]".to_owned(), version: 0 };
        let first = world.change(move |change| change.put_catalog(catalog.clone(), NO_DETAIL)).await.value;
        let next = Catalog { digest: "bb".to_owned(), ..first };
        let next = world.change(move |change| change.put_catalog(next.clone(), NO_DETAIL)).await.value;
        assert_eq!(next.version, 2);
        assert_eq!(world.view(|view| view.catalog(&product("demo"))).await, Some(Found::Good(next.clone())));
        assert_eq!(world.view(|view| view.catalogs_page(None, 10)).await, vec![Found::Good(next)]);
        assert_eq!(world.mismatches().await, vec![]);
    }
}
