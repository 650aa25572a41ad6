ALTER TABLE `pubsub_nodes` ADD `purge_offline` integer DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE `pubsub_nodes` ADD `dataform_xslt` text DEFAULT '' NOT NULL;