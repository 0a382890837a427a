//! `qianshao check -c FILE`: problem and remedy of a configuration, and what a start with it would change.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;

use super::serve::folders_of;
use super::{Words, config_of, say, say_error};
use crate::clock::{Clock, WallClock};
use crate::config::{self, Config, Role};
use crate::delta::delta_log::DeltaLog;
use crate::delta::log::Log;
use crate::delta::memory_log::MemoryLog;
use crate::delta::reference::Text;
use crate::demo::live::{Language, line};
use crate::detect::measured::unmeasured;
use crate::detect::preview::{Preview, preview};
use crate::kafka;
use crate::pipeline::InForce;
use crate::problem::{Problem, Result};
use crate::terms::local_text;

#[derive(Args)]
pub struct Check {
    /// The configuration, see docs/configuration.md. 配置文件
    #[arg(short, long)]
    config: PathBuf,
    /// Words of the preview. 语言
    #[arg(long, value_enum, default_value = "zh")]
    lang: Words,
}

/// Explains what is wrong with a configuration; where nothing is, also with the broker, and what would change.
pub async fn check(wanted: &Check) -> Result<bool> {
    let config = config_of(&wanted.config)?;
    let mut problems = config::check(&config);
    if problems.is_empty() {
        let in_force = InForce::read(&folders_of(&config))?;
        problems.extend(config::check_pack(&config, in_force.packs.packs.keys().map(String::as_str)));
        if let Some(pack) = in_force.packs.get(&config.detect.pack).filter(|_| problems.is_empty()) {
            warn(&unmeasured(folders_of(&config).rules.as_deref(), pack));
        }
        if problems.is_empty() && (config.has(Role::Consume) || config.has(Role::Detect)) {
            problems.extend(foresee(&config, &in_force, wanted.lang.language()).await?);
        }
        if config.has(Role::Consume) || config.has(Role::Publish) {
            problems.extend(kafka::setup::look(&config.kafka, &feed_topics(&config, &in_force)).await);
        }
    }
    problems.iter().for_each(|problem| say_error(&problem.to_string()));
    if problems.is_empty() {
        say("the configuration is fine / 配置检查通过");
    }
    Ok(problems.is_empty())
}

/// Says what a person should know and what keeps nothing from starting.
fn warn(problems: &[Problem]) {
    problems.iter().for_each(|problem| say_error(&problem.to_string().replacen("error:", "warning:", 1)));
}

/// What `consume` reads: the topics of every feed folder.
fn feed_topics(config: &Config, in_force: &InForce) -> Vec<String> {
    let topics = config.kafka.topics();
    let feeds = in_force.feeds.feeds.iter().filter(|_| config.has(Role::Consume));
    feeds.map(|feed| topics.feed(&feed.name)).collect()
}

/// Says what the folders would change; answers which of their rules do not work.
async fn foresee(config: &Config, in_force: &InForce, language: Language) -> Result<Vec<Problem>> {
    let folder = &config.state.folder;
    let log: Arc<dyn Log> = match folder.join("tables").is_dir() {
        true => Arc::new(DeltaLog::open(folder, Arc::new(WallClock)).await?),
        // Looking makes no folders.
        false => Arc::new(MemoryLog::default()),
    };
    let detect = &config.detect;
    let foreseen =
        preview(&*log, &detect.pack, detect.mode, &InForce::CLASSES, &in_force.texts, WallClock.now()).await?;
    tell(&foreseen, language);
    Ok(foreseen.broken)
}

fn tell(foreseen: &Preview, language: Language) {
    let texts = &foreseen.texts;
    if foreseen.first {
        say(&match language {
            Language::Zh => format!("首次启动：{} 个文本将生效", texts.len()),
            Language::En => format!("first start: {} texts would come into force", texts.len()),
        });
        return;
    }
    say(match (language, texts.is_empty()) {
        (Language::Zh, true) => "规则、参数、名册与代码表均无变化",
        (Language::Zh, false) => "启动后将变更的文本：",
        (Language::En, true) => "no rule, number, register or list would change",
        (Language::En, false) => "texts that a start would change:",
    });
    texts.iter().for_each(|text| say(&changed(text, language)));
    let (time, count) = (local_text(foreseen.tick), foreseen.changes.len());
    say(&match language {
        Language::Zh => format!("若 {time} 生效，仅因此变更的预警：{count}"),
        Language::En => format!("alerts that this alone would change at {time}: {count}"),
    });
    foreseen.changes.iter().for_each(|alert| say(&line(alert, language)));
}

fn changed(text: &Text, language: Language) -> String {
    let what = match (language, text.body.is_empty()) {
        (Language::Zh, true) => "撤除",
        (Language::Zh, false) => "更新",
        (Language::En, true) => "withdrawn",
        (Language::En, false) => "new or changed",
    };
    format!("  {what:<14} {} {}", text.class, text.name)
}
