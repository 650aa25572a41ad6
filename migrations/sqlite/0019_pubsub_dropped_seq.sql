ALTER TABLE `pubsub_nodes` ADD `dropped_seq` integer DEFAULT 0 NOT NULL;
--> statement-breakpoint
-- What went before this was known is not written anywhere: nothing older than the oldest that is kept is taken for whole.
UPDATE `pubsub_nodes` SET `dropped_seq` = coalesce(
	(SELECT min(`seq`) - 1 FROM `pubsub_items` WHERE `pubsub_items`.`node` = `pubsub_nodes`.`id`),
	(SELECT `seq` FROM `sqlite_sequence` WHERE `name` = 'pubsub_items'),
	0);
