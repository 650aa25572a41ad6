CREATE TABLE `pubsub_newcomers` (
	`bare_jid` text PRIMARY KEY NOT NULL,
	`seq` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `pubsub_nodes_with_whitelist` ON `pubsub_nodes` (`id`) WHERE children_whitelist <> '';