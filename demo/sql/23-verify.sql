select * from niji.verify_trail();
