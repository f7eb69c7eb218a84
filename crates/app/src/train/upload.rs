//! The finished model on its way to the hub.

use crate::events::Events;
use crate::options::{HubArgs, OutputArgs};
use tagsmith_hub::Hub;
use tagsmith_ranks::World;

/// The repository that the finished model goes to.
pub struct Upload<'a> {
    hub: &'a Hub,
    id: String,
}

impl<'a> Upload<'a> {
    /// Creates the repository, if one was asked for. An error then comes before the training.
    pub fn prepare(
        args: &HubArgs,
        output: &OutputArgs,
        hub: &'a Hub,
        world: &World,
        events: &mut dyn Events,
    ) -> anyhow::Result<Option<Upload<'a>>> {
        if !args.push_to_hub || !world.is_first() {
            return Ok(None);
        }
        let folder = output.output_dir.file_name().unwrap_or_default().to_string_lossy();
        let name = args.hub_model_id.as_deref().unwrap_or(&folder);
        let id = hub.create_model(name, args.hub_private_repo)?;
        events.say(format!("the finished model goes to the repository {id}"));
        Ok(Some(Upload { hub, id }))
    }

    /// Uploads the output folder.
    pub fn finish(self, output: &OutputArgs, events: &mut dyn Events) -> anyhow::Result<()> {
        let address = self.hub.upload_model(&self.id, &output.output_dir, "End of training")?;
        events.say(format!("uploaded {} as {address}", output.output_dir.display()));
        Ok(())
    }
}
