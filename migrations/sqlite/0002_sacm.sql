CREATE TABLE `repository_attributes` (
	`seq` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`endpoint` text NOT NULL,
	`name` text NOT NULL,
	`value` text,
	`type` text NOT NULL,
	`status` text NOT NULL,
	`reason` text,
	`collected` integer NOT NULL,
	`received` integer NOT NULL,
	`last_seen` integer NOT NULL,
	`collector` text NOT NULL,
	`method` text NOT NULL,
	`format` text NOT NULL,
	`report` text NOT NULL,
	`valid_from` integer NOT NULL,
	`valid_until` integer,
	FOREIGN KEY (`endpoint`) REFERENCES `repository_endpoints`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE UNIQUE INDEX `repository_attributes_current` ON `repository_attributes` (`endpoint`,`name`) WHERE "repository_attributes"."valid_until" IS NULL;--> statement-breakpoint
CREATE INDEX `repository_attributes_by_order` ON `repository_attributes` (`endpoint`,`seq`);--> statement-breakpoint
CREATE INDEX `repository_attributes_by_name` ON `repository_attributes` (`name`,`endpoint`);--> statement-breakpoint
CREATE TABLE `repository_bindings` (
	`bare_jid` text PRIMARY KEY NOT NULL,
	`endpoint` text NOT NULL,
	FOREIGN KEY (`endpoint`) REFERENCES `repository_endpoints`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE TABLE `repository_conflicts` (
	`endpoint` text NOT NULL,
	`other` text NOT NULL,
	PRIMARY KEY(`endpoint`, `other`),
	FOREIGN KEY (`endpoint`) REFERENCES `repository_endpoints`(`id`) ON UPDATE no action ON DELETE cascade,
	FOREIGN KEY (`other`) REFERENCES `repository_endpoints`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE TABLE `repository_endpoints` (
	`seq` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`id` text NOT NULL,
	`first_seen` integer NOT NULL,
	`last_seen` integer NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `repository_endpoints_id_unique` ON `repository_endpoints` (`id`);--> statement-breakpoint
CREATE TABLE `repository_identifiers` (
	`endpoint` text NOT NULL,
	`type` text NOT NULL,
	`value` text NOT NULL,
	PRIMARY KEY(`endpoint`, `type`, `value`),
	FOREIGN KEY (`endpoint`) REFERENCES `repository_endpoints`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE INDEX `repository_identifiers_by_value` ON `repository_identifiers` (`type`,`value`);--> statement-breakpoint
CREATE TABLE `repository_labels` (
	`endpoint` text NOT NULL,
	`label` text NOT NULL,
	PRIMARY KEY(`endpoint`, `label`),
	FOREIGN KEY (`endpoint`) REFERENCES `repository_endpoints`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE INDEX `repository_labels_by_label` ON `repository_labels` (`label`);--> statement-breakpoint
CREATE TABLE `repository_parts` (
	`collector` text NOT NULL,
	`set` text NOT NULL,
	`number` integer NOT NULL,
	`of` integer NOT NULL,
	`endpoint` text NOT NULL,
	`received` integer NOT NULL,
	`item` text NOT NULL,
	`report` text NOT NULL,
	PRIMARY KEY(`collector`, `set`, `number`),
	FOREIGN KEY (`endpoint`) REFERENCES `repository_endpoints`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE INDEX `repository_parts_by_age` ON `repository_parts` (`received`);--> statement-breakpoint
CREATE TABLE `repository_policies` (
	`seq` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`id` text NOT NULL,
	`version` text NOT NULL,
	`title` text NOT NULL,
	`type` text NOT NULL,
	`rules` integer NOT NULL,
	`published` integer NOT NULL,
	`publisher` text NOT NULL,
	`hash` text NOT NULL,
	`document` text NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `repository_policies_by_id` ON `repository_policies` (`id`,`version`);--> statement-breakpoint
CREATE TABLE `repository_reports` (
	`id` text PRIMARY KEY NOT NULL,
	`hash` text NOT NULL,
	`endpoint` text NOT NULL,
	`collector` text NOT NULL,
	`received` integer NOT NULL,
	FOREIGN KEY (`endpoint`) REFERENCES `repository_endpoints`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE TABLE `repository_results` (
	`id` text PRIMARY KEY NOT NULL,
	`hash` text NOT NULL,
	`endpoint` text NOT NULL,
	`policy` text NOT NULL,
	`policy_version` text,
	`profile` text NOT NULL,
	`evaluated` integer NOT NULL,
	`received` integer NOT NULL,
	`evaluator` text NOT NULL,
	`job` text,
	`score` real NOT NULL,
	`valid_until` integer,
	FOREIGN KEY (`endpoint`) REFERENCES `repository_endpoints`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE INDEX `repository_results_by_subject` ON `repository_results` (`endpoint`,`policy`,`profile`);--> statement-breakpoint
CREATE TABLE `repository_rule_results` (
	`seq` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`result` text NOT NULL,
	`rule` text NOT NULL,
	`title` text,
	`severity` text,
	`verdict` text NOT NULL,
	`message` text,
	`evidence` text NOT NULL,
	FOREIGN KEY (`result`) REFERENCES `repository_results`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE INDEX `repository_rule_results_by_result` ON `repository_rule_results` (`result`,`seq`);--> statement-breakpoint
CREATE TABLE `sacm_components` (
	`id` text PRIMARY KEY NOT NULL,
	`bare_jid` text NOT NULL,
	`type` text NOT NULL,
	`name` text NOT NULL,
	`description` text,
	`state` text NOT NULL,
	`since` integer NOT NULL,
	`capabilities` text NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `sacm_components_bareJid_unique` ON `sacm_components` (`bare_jid`);--> statement-breakpoint
CREATE TABLE `sacm_jobs` (
	`requester` text NOT NULL,
	`id` text NOT NULL,
	`component` text NOT NULL,
	`state` text NOT NULL,
	`created_at` integer NOT NULL,
	`updated_at` integer NOT NULL,
	PRIMARY KEY(`requester`, `id`, `component`)
);
--> statement-breakpoint
CREATE INDEX `sacm_jobs_by_age` ON `sacm_jobs` (`created_at`);