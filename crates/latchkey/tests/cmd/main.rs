//! The program as people call it: transcripts of single calls (the `.txt` files beside this one), and whole lives of a
//! demo and of a server.

#![expect(
    clippy::unwrap_used,
    reason = "a broken expectation of a test is its failure"
)]

mod demo;
mod process;
mod serve;
mod transcript;

/// One test per transcript, so that each is named when it fails.
macro_rules! transcripts {
    ($($name:ident: $file:literal;)*) => {
        $(#[test]
        fn $name() {
            transcript::run(include_str!($file));
        })*

        #[test]
        fn every_transcript_is_run() {
            let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cmd");
            let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
            let mut files: Vec<String> = files.filter(|file| file.ends_with(".txt")).collect();
            files.sort();
            assert_eq!(files, [$($file),*]);
        }
    };
}

transcripts! {
    completions_are_printed_for_shells: "completions.txt";
    the_settings_are_checked_and_shown: "config.txt";
    a_server_without_its_key_does_not_start: "data.txt";
    help_begins_with_examples: "help.txt";
    a_channel_goes_by_mail_or_to_an_address: "channels.txt";
    a_key_is_asked_for_and_kept_from_the_network: "keys.txt";
    the_description_of_the_api_is_printed: "openapi.txt";
}
