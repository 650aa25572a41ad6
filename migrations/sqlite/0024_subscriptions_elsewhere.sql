CREATE TABLE `pubsub_elsewhere` (
	`account` text NOT NULL,
	`service` text NOT NULL,
	`node_id` text NOT NULL,
	`subid` text NOT NULL,
	`state` text NOT NULL,
	`is_public` integer NOT NULL,
	PRIMARY KEY(`account`, `service`, `node_id`, `subid`)
);
